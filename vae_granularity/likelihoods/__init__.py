"""Likelihoods p(x|z), one file each: what the decoder's output means.

Each is a module with `log_prob(output, x)`, the log-density (B,) summed over pixels and channels in
nats, `mean(output)`, E[x|z], and `support`, the values x may have (a name of `values.VALUES`).
"""
