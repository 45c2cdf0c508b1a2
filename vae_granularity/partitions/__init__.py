"""Partitions of a run by step: fixed, scheduled, or regrouped by dependence."""
