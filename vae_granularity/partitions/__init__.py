"""Which partition a run uses at a step: fixed, scheduled, or regrouped by dependence."""
