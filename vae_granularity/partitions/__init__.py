"""The partition at a step: fixed, scheduled, or regrouped by dependence; pure functions."""
