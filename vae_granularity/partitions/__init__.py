"""Rules that say which partition a run uses at a step: scheduled, adaptive, regrouped by dependence."""
