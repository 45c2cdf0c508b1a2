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
    traced = _traced and len(z) * mu.numel() <= BLOCK["cpu"]
    densities = _OneTable.apply if traced else _AggregateLogDensity.apply
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
    before = _traced
    _traced = True
    try:
        yield
    finally:
        _traced = before


class _OneTable(torch.autograd.Function):
    """The densities of `_AggregateLogDensity` for a compiler: nothing is overwritten.

    Products over the subsets are written as sums, which a compiler fuses with what surrounds them.
    The backward pass is written out and keeps the softmax: left to autograd the compiled loss takes
    1.4 times as long.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        z: Tensor, mu: Tensor, logvar: Tensor, membership: Tensor, log_weight: float | Tensor
    ) -> tuple[Tensor, ...]:
        components = _components(mu, logvar)
        scaled = (z.unsqueeze(2) - components.mu) * components.inverse_sigma
        dims = components.peak - 0.5 * scaled * scaled
        groups = (dims.unsqueeze(1) * membership.t().unsqueeze(2)).sum(2)
        weight = log_weight.unsqueeze(1) if isinstance(log_weight, Tensor) else log_weight

        def log_sum_exp_and_softmax(table: Tensor) -> tuple[Tensor, Tensor]:
            weighted = table + weight
            largest = weighted.amax(-1, keepdim=True)
            shares = (weighted - largest).clamp_min(NEGLIGIBLE).exp()
            total = shares.sum(-1, keepdim=True)
            return (total.log() + largest).squeeze(-1), shares / total

        whole, softmax_whole = log_sum_exp_and_softmax(dims.sum(1, keepdim=True))
        log_groups, softmax_groups = log_sum_exp_and_softmax(groups)
        log_dims, softmax_dims = log_sum_exp_and_softmax(dims)
        log_densities = (whole.squeeze(1), log_groups, log_dims)
        softmaxes = (softmax_whole, softmax_groups, softmax_dims)
        # A copy: an output of an autograd function may not be one of its inputs.
        saved = (scaled, components.inverse_sigma, membership.clone())
        return *log_densities, *softmaxes, *saved

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[3:])
        ctx.save_for_backward(*output[3:])

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides the parameter names
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        grad_whole, grad_groups, grad_dims = grad_outputs[:3]
        softmax_whole, softmax_groups, softmax_dims, *saved = ctx.saved_tensors
        scaled, inverse_sigma, membership = saved
        shared = softmax_groups * grad_groups.unsqueeze(2)
        pull = softmax_dims * grad_dims.unsqueeze(2)
        pull = pull + (membership.unsqueeze(2) * shared.unsqueeze(1)).sum(2)
        pull = pull + softmax_whole * grad_whole.view(-1, 1, 1)
        moved = pull * scaled
        grad_z = -(moved * inverse_sigma).sum(2)
        grad_mu = (moved.sum(0) * inverse_sigma).t()
        grad_logvar = (0.5 * ((moved * scaled).sum(0) - pull.sum(0))).t()
        return grad_z, grad_mu, grad_logvar, None, None


class _Components(NamedTuple):
    """The M components, with M on the last axis and contiguous: reductions over it vectorise."""

    mu: Tensor  # (D, M)
    inverse_sigma: Tensor  # (D, M)
    peak: Tensor  # (D, M)  log-density at the mean


def _components(mu: Tensor, logvar: Tensor) -> _Components:
    log_inverse_sigma = -0.5 * logvar.t().contiguous()
    peak = log_inverse_sigma - 0.5 * LOG_2PI
    return _Components(mu.t().contiguous(), log_inverse_sigma.exp(), peak)


def _fits_one_block(z: Tensor, mu: Tensor) -> bool:
    """Return whether the table of z (S, D) and mu (M, D) is one block."""
    return 0 < len(z) * mu.numel() <= BLOCK.get(z.device.type, BLOCK["cuda"])


def _blocks(z: Tensor, mu: Tensor) -> Iterator[slice]:
    """Yield slices of the rows of z (S, D): blocks of about `BLOCK` elements with mu (M, D)."""
    rows = max(1, BLOCK.get(z.device.type, BLOCK["cuda"]) // max(1, mu.shape[0] * mu.shape[1]))
    for start in range(0, max(1, z.shape[0]), rows):
        yield slice(start, start + rows)


def _tables(
    z: Tensor, components: _Components, subsets: Tensor, log_weight: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return scaled differences (s, D, M) and weighted log-densities (s, D + K, M) at z (s, D).

    The log-densities are those of the D dimensions, then of the K subsets (D, K).
    Difference form: the expanded (matmul) form loses gradient accuracy for sharp posteriors.
    """
    scaled = (z.unsqueeze(2) - components.mu) * components.inverse_sigma
    dims = torch.addcmul(components.peak, scaled, scaled, value=-0.5)
    table = torch.cat((dims, subsets.t() @ dims), 1)
    return scaled, table if log_weight is None else table + log_weight.unsqueeze(1)


def _log_sum_exp(table: Tensor) -> Tensor:
    """Return the log-sum-exp (s, K) over the last axis of (s, K, M), which is overwritten."""
    largest = table.amax(-1, keepdim=True)
    shares = table.sub_(largest).clamp_min_(NEGLIGIBLE).exp_()
    return shares.sum(-1, keepdim=True).log_().add_(largest).squeeze(-1)


def _log_sum_exp_and_softmax(table: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-sum-exp (s, K) and softmax (s, K, M) over the last axis, which is overwritten."""
    largest = table.amax(-1, keepdim=True)
    shares = table.sub_(largest).clamp_min_(NEGLIGIBLE).exp_()
    total = shares.sum(-1, keepdim=True)
    return total.log().add_(largest).squeeze(-1), shares.div_(total)


def _joined(blocks: list[Tensor]) -> Tensor:
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks)


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
        components = _components(mu, logvar)
        weights = log_weight if isinstance(log_weight, Tensor) else None
        if _fits_one_block(z, mu):
            # Kept for the backward pass, which then computes nothing of the table again.
            scaled, table = _tables(z, components, subsets, weights)
            densities, responsibilities = _log_sum_exp_and_softmax(table)
        else:
            scaled = z.new_empty(0)
            responsibilities = z.new_empty(0)
            blocks = []
            for rows in _blocks(z, mu):
                weight = None if weights is None else weights[rows]
                _, table = _tables(z[rows], components, subsets, weight)
                blocks.append(_log_sum_exp(table))
            densities = _joined(blocks)
        weighted = densities + log_weight if weights is None else densities
        dim = z.shape[1]
        log_densities = (weighted[:, -1], weighted[:, dim:-1], weighted[:, :dim])
        return *log_densities, densities, subsets, scaled, responsibilities, *components

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
        z, log_weight, densities, subsets, scaled, responsibilities, *saved = ctx.saved_tensors
        components = _Components(*saved)
        dim = z.shape[1]
        outputs = (densities[:, -1], densities[:, dim:-1], densities[:, :dim])
        whole, groups, dims = (
            torch.zeros_like(output) if gradient is None else gradient
            for gradient, output in zip(grad_outputs[:3], outputs, strict=True)
        )
        gradient = torch.cat((dims, groups, whole.unsqueeze(1)), 1)

        def block_gradients(
            scaled: Tensor, responsibilities: Tensor, gradient: Tensor
        ) -> tuple[Tensor, Tensor, Tensor]:
            """Gradients in z (s, D), and, up to shared factors, in mean and log-variance (D, M)."""
            # The gradient of a log-density is shared out over the components by their
            # responsibilities; `pull` (s, D, M) is the gradient in the table of the dimensions.
            shared = responsibilities * gradient.unsqueeze(2)
            pull = shared[:, :dim] + subsets @ shared[:, dim:]
            pulls = pull.sum(0)
            moved = pull.mul_(scaled)
            moves = moved.sum(0)
            grad_z = -(moved * components.inverse_sigma).sum(2)
            return grad_z, moves, moved.mul_(scaled).sum(0) - pulls

        def recomputed_gradients(rows: slice) -> tuple[Tensor, Tensor, Tensor]:
            # A function, so that a block's tables are freed before the next one's are made.
            weight = None if log_weight is None else log_weight[rows]
            scaled, table = _tables(z[rows], components, subsets, weight)
            logs = table.sub_(densities[rows].unsqueeze(2))
            return block_gradients(scaled, logs.clamp_min_(NEGLIGIBLE).exp_(), gradient[rows])

        if scaled.numel():
            grad_z, moves, spreads = block_gradients(scaled, responsibilities, gradient)
        else:
            grads = []
            moves = torch.zeros_like(components.mu)
            spreads = torch.zeros_like(components.mu)
            # Summed as they come: all of them together are as large as the table would be.
            for rows in _blocks(z, components.mu):
                grad, move, spread = recomputed_gradients(rows)
                grads.append(grad)
                moves = moves + move
                spreads = spreads + spread
            grad_z = _joined(grads)
        grad_mu = (moves * components.inverse_sigma).t()
        return grad_z, grad_mu, (0.5 * spreads).t(), None, None
