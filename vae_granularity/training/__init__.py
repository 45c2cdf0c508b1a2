"""One run, from a config to results.json; its callbacks and loggers."""
