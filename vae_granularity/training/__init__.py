"""One run from a config to results.json, with its callbacks and loggers; only this room fits."""
