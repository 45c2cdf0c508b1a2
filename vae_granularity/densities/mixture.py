"""Log-densities of a Gaussian mixture: all dimensions, each group, each dimension. In nats.

One pairwise table (S, D, M) of per-dimension log-densities, times the membership matrix, gives
every subset at once. It is never held whole: a block of its rows at a time fits the processor's
cache, and the backward pass computes each block again instead of keeping it, which on a CPU costs
less than reading it back from memory would (docs/speed.md). Exponents are cut off at -60 before
`exp`: far-away components would otherwise underflow to denormal numbers, which a CPU handles ten
times slower; what is cut off is below 1e-26 of the largest component.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vae_granularity.densities.gaussian import LOG_2PI

NEGLIGIBLE = -60.0
# Elements of a block of the table: a CPU's cache, or enough that a GPU's launches do not count. The
# largest temporary is one block.
BLOCK = {"cpu": 2**16, "cuda": 2**24}


class AggregateDensities(NamedTuple):
    """Log-densities at S samples: of all dimensions, the G groups, the D single dimensions."""

    log_qz: Tensor  # (S,)
    log_qz_groups: Tensor  # (S, G); 0 for a group without dimensions
    log_qz_dims: Tensor  # (S, D)


def mixture_densities(
    z: Tensor, mu: Tensor, logvar: Tensor, membership: Tensor, log_weight: float | Tensor
) -> AggregateDensities:
    """log sum_j W_ij prod_{d in S} N(z_id; mu_jd, exp(logvar_jd)), S all, a group, a dimension.

    z (S, D); mu, logvar (M, D); membership (D, G) of 0/1, empty columns allowed; log_weight one
    number or (S, M). Differentiable once, in z, mu and logvar.
    """
    whole = _traced and len(z) * mu.numel() <= BLOCK["cpu"]
    densities = _one_table if whole else _AggregateLogDensity.apply
    log_qz, groups, dims, *_ = densities(z, mu, logvar, membership, log_weight)
    # The empty product is 1, whatever the weights: as it stands an empty group reads log sum W.
    return AggregateDensities(log_qz, groups * membership.amax(0), dims)


_traced = False  # set by `one_table`


@contextmanager
def one_table() -> Iterator[None]:
    """Inside, small tables are written out whole: the form that a compiler fuses into few loops.

    Compiled it is five times faster than the form in blocks, which is the faster one uncompiled.
    """
    global _traced
    before, _traced = _traced, True
    try:
        yield
    finally:
        _traced = before


def _one_table(
    z: Tensor, mu: Tensor, logvar: Tensor, membership: Tensor, log_weight: float | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """As `_AggregateLogDensity`, with the gradient left to autograd and nothing overwritten."""
    of = _components(mu, logvar)
    scaled = (z.unsqueeze(2) - of.mu) * of.inverse_sigma
    dims = of.peak - 0.5 * scaled * scaled
    groups = (dims.unsqueeze(1) * membership.t().unsqueeze(2)).sum(2)
    weight = log_weight.unsqueeze(1) if isinstance(log_weight, Tensor) else log_weight

    def log_sum_exp(table: Tensor) -> Tensor:
        largest = (table + weight).detach().amax(-1, keepdim=True)
        shares = (table + weight - largest).clamp_min(NEGLIGIBLE).exp()
        return shares.sum(-1).log() + largest.squeeze(-1)

    whole = log_sum_exp(dims.sum(1, keepdim=True)).squeeze(1)
    return whole, log_sum_exp(groups), log_sum_exp(dims)


class _Components(NamedTuple):
    """The M components, with M on the last axis and contiguous: reductions over it vectorise."""

    mu: Tensor  # (D, M)
    inverse_sigma: Tensor  # (D, M)
    peak: Tensor  # (D, M)  log-density at the mean


def _components(mu: Tensor, logvar: Tensor) -> _Components:
    log_inverse_sigma = -0.5 * logvar.t().contiguous()
    peak = log_inverse_sigma - 0.5 * LOG_2PI
    return _Components(mu.t().contiguous(), log_inverse_sigma.exp(), peak)


def _blocks(z: Tensor, mu: Tensor) -> Iterator[slice]:
    """Slices of the rows of z (S, D) whose tables with mu (M, D) have about `BLOCK` elements."""
    rows = max(1, BLOCK.get(z.device.type, BLOCK["cuda"]) // max(1, mu.shape[0] * mu.shape[1]))
    for start in range(0, max(1, z.shape[0]), rows):
        yield slice(start, start + rows)


def _tables(
    z: Tensor, of: _Components, subsets: Tensor, log_weight: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Scaled differences (s, D, M) and weighted log-densities (s, D + K, M) at z (s, D).

    The log-densities are those of the D dimensions, then of the K subsets (D, K).
    Difference form: the expanded (matmul) form loses gradient accuracy for sharp posteriors.
    """
    scaled = (z.unsqueeze(2) - of.mu) * of.inverse_sigma
    dims = torch.addcmul(of.peak, scaled, scaled, value=-0.5)
    table = torch.cat((dims, subsets.t() @ dims), 1)
    return scaled, table if log_weight is None else table + log_weight.unsqueeze(1)


def _log_sum_exp(table: Tensor) -> Tensor:
    """Over the last axis of (s, K, M), which it overwrites; (s, K)."""
    largest = table.amax(-1, keepdim=True)
    shares = table.sub_(largest).clamp_min_(NEGLIGIBLE).exp_()
    return shares.sum(-1, keepdim=True).log_().add_(largest).squeeze(-1)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class _AggregateLogDensity(torch.autograd.Function):
    """The log-densities (S,), (S, G), (S, D) with a gradient that holds no table of all pairs.

    Under `torch.vmap` a step below is one operator over all members, whichever arguments differ
    between them: what is overwritten depends on all that the other operand depends on. A block is
    then as large for each member.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        z: Tensor, mu: Tensor, logvar: Tensor, membership: Tensor, log_weight: float | Tensor
    ) -> tuple[Tensor, ...]:
        # All dimensions are one more subset: a last column of ones.
        subsets = torch.cat((membership, membership.new_ones(membership.shape[0], 1)), 1)
        of, parts = _components(mu, logvar), []
        for rows in _blocks(z, mu):
            weight = log_weight[rows] if isinstance(log_weight, Tensor) else None
            _, table = _tables(z[rows], of, subsets, weight)
            parts.append(_log_sum_exp(table))
        densities = _joined(parts)
        weighted = densities if isinstance(log_weight, Tensor) else densities + log_weight
        dim = z.shape[1]
        return weighted[:, -1], weighted[:, dim:-1], weighted[:, :dim], densities, subsets, *of

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        z, _, _, _, log_weight = inputs
        ctx.mark_non_differentiable(*output[3:])
        ctx.set_materialize_grads(False)
        weight = log_weight if isinstance(log_weight, Tensor) else None
        ctx.save_for_backward(z, weight, *output[3:])

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides the parameter names
        ctx: Any, *grad_outputs: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        z, log_weight, densities, subsets, *components = ctx.saved_tensors
        of, dim = _Components(*components), z.shape[1]
        parts = (densities[:, -1], densities[:, dim:-1], densities[:, :dim])
        whole, groups, dims = (
            torch.zeros_like(part) if gradient is None else gradient
            for gradient, part in zip(grad_outputs[:3], parts, strict=True)
        )
        gradient = torch.cat((dims, groups, whole.unsqueeze(1)), 1)

        def of_block(rows: slice) -> tuple[Tensor, Tensor, Tensor]:
            """Gradients in z (s, D), and, up to shared factors, in mean and log-variance (D, M)."""
            weight = None if log_weight is None else log_weight[rows]
            scaled, table = _tables(z[rows], of, subsets, weight)
            # The gradient of a log-density is shared out over the components by their
            # responsibilities; `pull` (s, D, M) is the table's.
            logs = table.sub_(densities[rows].unsqueeze(2))
            shared = logs.clamp_min_(NEGLIGIBLE).exp_() * gradient[rows].unsqueeze(2)
            pull = shared[:, :dim] + subsets @ shared[:, dim:]
            pulls = pull.sum(0)
            moved = pull.mul_(scaled)
            moves = moved.sum(0)
            return -(moved * of.inverse_sigma).sum(2), moves, moved.mul_(scaled).sum(0) - pulls

        blocks = map(of_block, _blocks(z, of.mu))
        part, moves, spreads = next(blocks)
        grad_z = [part]
        # Summed as they come: all of them together are as large as the table would be.
        for part, move, spread in blocks:
            grad_z.append(part)
            moves, spreads = moves + move, spreads + spread
        return _joined(grad_z), (moves * of.inverse_sigma).t(), (0.5 * spreads).t(), None, None
