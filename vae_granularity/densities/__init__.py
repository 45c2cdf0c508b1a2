"""Log-densities of Gaussians, their mixtures and estimates of q(z): pure functions of tensors; enters only `partition` and `errors`."""
