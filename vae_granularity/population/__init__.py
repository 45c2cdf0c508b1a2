"""Many models of one architecture trained as one batched computation, each the run it was alone."""
