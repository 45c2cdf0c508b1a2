"""Where numbers and figures go: metrics.csv and W&B."""
