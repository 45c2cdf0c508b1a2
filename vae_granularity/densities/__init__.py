"""Log-densities of Gaussians and mixtures, estimates of q(z), noise: pure functions of tensors."""
