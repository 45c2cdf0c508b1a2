"""Log-densities of Gaussians and mixtures, estimators of q(z), noise: pure functions of tensors."""
