"""The objective against numbers computed with the beta-STCVAE authors' and the beta-TCVAE authors'
public code in float64.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vae_granularity.densities.gaussian import kl_to_standard_normal
from vae_granularity.elbo import decompose, weighted_elbo
from vae_granularity.partition import LatentPartition

CASES = ("c0", "c1", "c2", "c3")
# Absolute in float64; relative to max(1, |value|) in float32.
TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}
# The authors' four objectives as weights (mutual information, between, within, dimension-wise KL).
OBJECTIVES = {
    "1": lambda beta: (1.0, beta, 0.0, 1.0),
    "2": lambda beta: (1.0, beta, -beta / 2, 1.0),
    "3": lambda beta: (1.0, beta, beta, 1.0),
    "4": lambda beta: (beta, beta, beta, 0.0),
}
NAMES = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")


def close(name: str, ours: torch.Tensor, gold: np.ndarray) -> None:
    want = torch.from_numpy(np.asarray(gold, dtype=np.float64))
    error = (ours.detach().double() - want).abs()
    if ours.dtype == torch.float32:
        error = error / want.abs().clamp(min=1)
    assert ours.shape == want.shape, name
    assert error.max() <= TOLERANCE[ours.dtype], f"{name}: {error.max():.3g}"


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=["float64", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_terms_objectives_and_gradients(golden, case, dtype):
    gold = {
        key.removeprefix(case + "/"): value
        for key, value in golden("objective").items()
        if key.startswith(case + "/")
    }
    dim, size = gold["mu"].shape[1], int(gold["dataset_size"])
    log_px, eps = (torch.tensor(gold[name], dtype=dtype) for name in ("logpx", "eps"))
    mu, logvar = (
        torch.tensor(gold[name], dtype=dtype, requires_grad=True) for name in ("mu", "logvar")
    )
    z = mu + torch.exp(0.5 * logvar) * eps
    close("kl", kl_to_standard_normal(mu, logvar), gold["kl_analytic"])
    groups = sorted(
        {int(key[1 : key.index("/")]) for key in gold if key[0] == "n" and key[1].isdigit()}
    )
    assert {1, dim, dim + 3} <= set(groups)
    for n in groups:
        pre = f"n{n}/"
        partition = LatentPartition.from_granularity(dim, min(n, dim))
        terms = decompose(z=z, mu=mu, logvar=logvar, partition=partition, dataset_size=size)
        close("log q(z)", terms.log_qz, gold["logqz"])
        close("log q(z_g)", terms.log_qz_groups, gold[pre + "logqz_group"])
        close("sum_d log q(z_d)", terms.log_qz_dims.sum(-1), gold["logqz_prodmarginals"])
        close("I", terms.mutual_information, gold["mi"])
        close("TC", terms.between_group_tc + terms.within_group_tc.sum(-1), gold["tc"])
        close("between", terms.between_group_tc, gold[pre + "between"])
        close("within", terms.within_group_tc, gold[pre + "within"])
        close("dimension-wise KL", terms.dimension_kl, gold["dwkl"])
        for key in (key for key in gold if key.startswith(pre + "modified_elbo_c")):
            objective, beta = key.removeprefix(pre + "modified_elbo_c").split("_b")
            weights = dict(zip(NAMES, OBJECTIVES[objective](float(beta)), strict=True))
            # The authors broadcast the batch mean of the inside term, so only the mean is
            # comparable for objective 2.
            value = weighted_elbo(log_px, terms, **weights)
            close(key, value.mean(), gold[key].mean())
            if objective != "2":
                close(key, value, gold[key])
            for name, parameter in (("mu", mu), ("logvar", logvar)):
                grad_key = key.replace("modified_elbo", f"grad_{name}")
                if grad_key in gold:
                    close(
                        grad_key,
                        torch.autograd.grad(value.mean(), parameter, retain_graph=True)[0],
                        gold[grad_key],
                    )


@pytest.mark.parametrize("case", CASES)
def test_the_betatcvae_authors_densities(golden, case):
    gold = golden("objective")
    z, mu, logvar = (torch.from_numpy(gold[f"{case}/{name}"]) for name in ("z", "mu", "logvar"))
    partition = LatentPartition.from_granularity(z.shape[1], 1)
    terms = decompose(
        z=z,
        mu=mu,
        logvar=logvar,
        partition=partition,
        dataset_size=int(gold[f"{case}/dataset_size"]),
    )
    close("log q(z)", terms.log_qz, gold[f"{case}/rtq_mws/logqz"])
    close(
        "sum_d log q(z_d)", terms.log_qz_dims.sum(-1), gold[f"{case}/rtq_mws/logqz_prodmarginals"]
    )
    close("TC", terms.between_group_tc, gold[f"{case}/rtq_mws/tc"])
