"""Log-densities of a weighted Gaussian mixture over all dimensions, every group and every dimension, with their gradient. In nats.

One pairwise table of per-dimension log-densities, times the membership matrix, gives every subset at once. The gradient is
written out, for two reasons that were measured (experiments/benchmarks): the exponentials of the forward pass serve again in the
backward pass, and exponents are cut off at -60 before `exp`. Far-away components would otherwise underflow to denormal numbers,
which a CPU handles ten times slower; what is cut off is below 1e-26 of the largest component.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vae_granularity.gaussian import LOG_2PI

NEGLIGIBLE = -60.0


class AggregateDensities(NamedTuple):
    """Log-densities at S samples: of all dimensions, of the G groups, of the D single dimensions."""

    log_qz: Tensor  # (S,)
    log_qz_groups: Tensor  # (S, G); 0 for a group without dimensions
    log_qz_dims: Tensor  # (S, D)


def mixture_densities(z: Tensor, mu: Tensor, logvar: Tensor, membership: Tensor, log_weight: float | Tensor) -> AggregateDensities:
    """log sum_j W_ij prod_{d in S} N(z_id; mu_jd, exp(logvar_jd)) for S = everything, each group, each dimension.

    z (S, D); mu, logvar (M, D); membership (D, G) of 0/1, empty columns allowed; log_weight one number or (S, M). Differentiable
    once, in z, mu and logvar.
    """
    constant, table = (0.0, log_weight) if isinstance(log_weight, Tensor) else (log_weight, None)
    # All dimensions are one more subset: a last column of ones.
    subsets = torch.cat((membership, membership.new_ones(membership.shape[0], 1)), 1)
    dims, joint, *_ = _SubsetLogSumExp.apply(z, mu, logvar, subsets, table)
    if constant:
        dims, joint = dims + constant, joint + constant
    # The empty product is 1, whatever the weights: without the mask an empty group would read log sum W.
    groups = joint[:, :-1].masked_fill(membership.sum(0) == 0, 0.0)
    return AggregateDensities(joint[:, -1], groups, dims)


def pairwise_log_density(z: Tensor, mu: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log N(z_id; mu_jd, exp(logvar_jd)) as (S, D, M), with the scaled differences (S, D, M) and 1/sigma (D, M) that give it.

    Difference form: the expanded (matmul) form loses gradient accuracy for sharp posteriors.
    """
    # Components on the last axis, contiguous: the reductions over them vectorise.
    inverse_sigma = torch.exp(-0.5 * logvar.t().contiguous())
    scaled = (z.unsqueeze(2) - mu.t().contiguous()) * inverse_sigma
    return torch.addcmul(inverse_sigma.log() - 0.5 * LOG_2PI, scaled, scaled, value=-0.5), scaled, inverse_sigma


def _exponentials(table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """exp(table - max), its sum and the log-sum-exp over the last axis."""
    largest = table.amax(-1, keepdim=True)
    weights = (table - largest).clamp(min=NEGLIGIBLE).exp()
    total = weights.sum(-1, keepdim=True)
    return weights, total, (total.log() + largest).squeeze(-1)


class _SubsetLogSumExp(torch.autograd.Function):
    """z (S, D), mu, logvar (M, D), subsets (D, K), log weights (S, M) or None -> log-densities of dimensions (S, D), subsets (S, K)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, mu: Tensor, logvar: Tensor, subsets: Tensor, log_weight: Tensor | None) -> tuple[Tensor, ...]:
        table, scaled, inverse_sigma = pairwise_log_density(z, mu, logvar)
        joint = subsets.t() @ table
        if log_weight is not None:
            table, joint = table + log_weight.unsqueeze(1), joint + log_weight.unsqueeze(1)
        dims, total_dims, log_dims = _exponentials(table)
        joints, total_joints, log_joints = _exponentials(joint)
        return log_dims, log_joints, dims, total_dims, joints, total_joints, scaled, inverse_sigma

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[2:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[3], *output[2:])

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides the parameter names
        ctx: Any, *grad_outputs: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        subsets, dims, total_dims, joints, total_joints, scaled, inverse_sigma = ctx.saved_tensors
        grad_dims, grad_joints = grad_outputs[:2]
        # Gradient of the pairwise table: responsibilities times what arrives from above.
        pull = torch.zeros_like(scaled) if grad_joints is None else subsets @ (joints * (grad_joints.unsqueeze(2) / total_joints))
        if grad_dims is not None:
            pull = torch.addcmul(pull, dims, grad_dims.unsqueeze(2) / total_dims)
        moved = pull * scaled
        grad_z = -(moved * inverse_sigma).sum(2)
        grad_mu = (moved.sum(0) * inverse_sigma).t()
        grad_logvar = 0.5 * ((moved * scaled).sum(0) - pull.sum(0)).t()
        return grad_z, grad_mu, grad_logvar, None, None
