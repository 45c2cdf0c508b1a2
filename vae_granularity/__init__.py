"""Experiments with disentangled variational autoencoders whose latent dimensions come in groups."""
