"""The DIP-VAE-I, with the partition deciding which covariances are penalised."""

from typing import ClassVar, Unpack

from torch import Tensor

from vae_granularity.models.base import Forward, HyperparameterValues, Loss, Parts, Scheduled
from vae_granularity.models.gaussian_vae import GaussianOptions, GaussianVAE


class DIPVAEI(GaussianVAE):
    """The VAE's loss + lambda_od sum_{i≠j} C_ij² + lambda_d sum_i (C_ii - 1)², C = Cov(mu(x))
    (Kumar et al., arXiv 1711.00848, eq. 6).

    The granularity restricts the first sum to pairs of dimensions of different groups; with
    granularity 1 it is the published model.

    Args:
        lambda_od: weight of covariances between groups, >= 0, or a schedule.
        lambda_d: weight of the variances' distance from 1, >= 0, or a schedule; None is 10
            lambda_od, as published.
        others: as `GaussianVAE`.
    """

    diagonal_factor: ClassVar[float] = 10.0  # lambda_d over lambda_od, as published

    def __init__(
        self,
        parts: Parts,
        lambda_od: Scheduled = 10.0,
        lambda_d: Scheduled | None = None,
        **options: Unpack[GaussianOptions],
    ) -> None:
        super().__init__(parts, **options)
        self.scheduled("lambda_od", lambda_od, 0.0)
        if lambda_d is not None:
            self.scheduled("lambda_d", lambda_d, 0.0)

    def hyperparameters(self, step: int) -> dict[str, float | Tensor]:
        values = super().hyperparameters(step)
        return {"lambda_d": self.diagonal_factor * values["lambda_od"]} | values

    def covariance(self, out: Forward) -> Tensor:
        """The matrix C (D, D) that is pulled towards block structure."""
        return covariance(out.mu)

    def objective(self, out: Forward, values: HyperparameterValues, membership: Tensor) -> Loss:
        matrix = self.covariance(out)
        same_group = membership @ membership.t()  # (D, D)
        off_diagonal = ((1 - same_group) * matrix.square()).sum()
        diagonal = (matrix.diagonal() - 1).square().sum()
        penalty = values["lambda_od"] * off_diagonal + values["lambda_d"] * diagonal
        return (out.kl - out.log_px).mean() + penalty, None


def covariance(x: Tensor) -> Tensor:
    """Covariance (D, D) of the rows of x (B, D), divided by B."""
    centred = x - x.mean(0)
    return centred.t() @ centred / len(x)
