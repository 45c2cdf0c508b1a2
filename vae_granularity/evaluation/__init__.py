"""Measuring a trained model: held-out ELBO, exact terms, scores, figures."""
