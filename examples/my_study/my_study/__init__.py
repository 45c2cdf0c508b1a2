"""Two models, a metric and a data set of one's own, used by vae-granularity without editing it."""
