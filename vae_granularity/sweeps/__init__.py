"""A set of runs to be completed, and the one source of their data; what is one run's lies below."""
