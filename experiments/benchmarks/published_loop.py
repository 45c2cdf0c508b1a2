"""The loss of β-STCVAE in the form in which it was published: loops over groups, over dimensions
and over pairs of groups.

A baseline for benchmarks only. Written for this project from the formulas in spec/objectives.md; it
does the same work in the same order as the public script does (per-dimension slices joined by
concatenation, one log-sum-exp per group, and for every pair of groups a joint density that feeds a
diagnostic matrix, read back to the host, and a term that stays in the graph but never reaches the
objective).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def published_loop(
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    log_px: Tensor,
    *,
    size: int,
    dataset_size: int,
    beta: float,
    pairs: bool = True,
) -> Tensor:
    """Mean weighted ELBO (to be maximised), groups of `size` consecutive dimensions; all (B, D),
    log_px (B,).
    """
    batch, dim = z.shape
    constant = math.log(batch * dataset_size)
    table = -0.5 * (
        (z[:, None] - mu[None]) ** 2 * torch.exp(-logvar)[None]
        + logvar[None]
        + math.log(2 * math.pi)
    )
    log_qz = torch.logsumexp(table.sum(2), 1) - constant
    log_product = (torch.logsumexp(table, 1) - constant).sum(1)
    log_cond = -0.5 * ((z - mu) ** 2 * torch.exp(-logvar) + logvar + math.log(2 * math.pi)).sum(1)
    log_pz = -0.5 * (z**2 + math.log(2 * math.pi)).sum(1)
    tables, groups, within = [], [], None
    total = None
    for start in range(0, dim, size):
        part = None
        for d in range(start, min(start + size, dim)):
            column = table.select(-1, d).view(batch, batch, 1)
            part = column if part is None else torch.cat((part, column), -1)
        group = torch.logsumexp(part.sum(2), 1) - constant
        inside = (group - (torch.logsumexp(part, 1) - constant).sum(1)).unsqueeze(0)
        within = inside if within is None else torch.cat((within, inside), 0)
        total = group if total is None else total + group
        tables.append(part)
        groups.append(group)
    unused = None
    diagnostic = np.zeros((len(groups), len(groups)))
    for i in range(len(groups) - 1) if pairs else ():
        for j in range(i + 1, len(groups)):
            joint = torch.logsumexp(torch.cat((tables[i], tables[j]), -1).sum(2), 1) - constant
            weighted = torch.exp(log_qz) * (joint - (groups[i] + groups[j]))
            diagnostic[j][i] = weighted.detach().sum()
            unused = (
                weighted.unsqueeze(0)
                if unused is None
                else torch.cat((unused, weighted.unsqueeze(0)), 0)
            )
    value = (
        log_px
        - (log_cond - log_qz)
        - beta * (log_qz - total)
        + beta / 2 * within.mean(-1).sum()
        - (log_product - log_pz)
    )
    return value.mean()
