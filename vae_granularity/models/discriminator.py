"""The density-ratio estimator of the FactorVAE: codes against codes whose groups were shuffled."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from vae_granularity.nets.base import dense


class Leaky(nn.LeakyReLU):
    """Slope 0.2, as published."""

    def __init__(self) -> None:
        super().__init__(0.2)


class Discriminator(nn.Sequential):
    """z (B, D) to the logit log d(z) - log(1 - d(z)) (B,) that z is a code and no shuffled one
    (arXiv 1802.05983, appendix A).

    Fully connected, leaky ReLU; the published one has two logits, of which only the difference
    counts.
    """

    def __init__(self, latent_dim: int, units: int, layers: int) -> None:
        super().__init__(
            *dense([latent_dim, *([units] * layers), 1], Leaky, last=False), nn.Flatten(0)
        )


def shuffle_groups(z: Tensor, membership: Tensor, generator: torch.Generator) -> Tensor:
    """z (B, D) with each group of dimensions permuted over the batch as a block: a sample of about
    the product of the q(z_g).

    With groups of one dimension it is the published `permute_dims` (arXiv 1802.05983, algorithm 1).

    Args:
        membership: (D, G) 0/1.
    """
    keys = torch.rand(membership.shape[1], len(z), generator=generator, device=z.device)
    rows = keys.argsort(1)[
        membership.argmax(1)
    ]  # (D, B): the same permutation for all dimensions of a group
    return z.gather(0, rows.t())


def discriminator_loss(discriminator: nn.Module, codes: Tensor, shuffled: Tensor) -> Tensor:
    """Cross-entropy of telling codes from shuffled codes, both (B, D), in nats; log 2 is chance
    (arXiv 1802.05983, eq. 3).
    """
    logits = discriminator(torch.cat((codes, shuffled)))
    labels = torch.cat((torch.ones(len(codes)), torch.zeros(len(shuffled)))).to(logits)
    return binary_cross_entropy_with_logits(logits, labels)
