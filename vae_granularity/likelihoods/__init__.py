"""Likelihoods p(x|z), one file each: what the decoder's output means.

Each is a module with `log_prob(output, x)`, the log-density (B,) summed over pixels and channels in
nats, and `mean(output)`, E[x|z].
"""
