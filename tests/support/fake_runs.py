"""Run directories that look like finished runs: results.json as the program writes it, with numbers
from a formula instead of training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from vae_granularity.runs.protocol import PROTOCOL_VERSION, VERSION
from vae_granularity.training.config import compose

Elbo = Callable[[float, int, float, int], float]  # width, granularity, beta, seed


def fake_results(
    *,
    width: float = 1.0,
    granularity: int = 2,
    beta: float = 4.0,
    seed: int = 0,
    elbo: float = -20.0,
    within_group_weight: float | None = 0.0,
    source: str = "synthetic",
    dataset: str = "blocks",
    version: str = "0.1.0",
) -> dict[str, Any]:
    """The contents of results.json of one run."""
    name = f"stcvae_{dataset}_b{beta:g}_g{granularity}_s{seed}_w{width:g}_{within_group_weight}"
    rng = np.random.default_rng([seed, granularity, int(1000 * width), int(1000 * beta)])
    kl = 6.0 + rng.random()
    groups = [
        list(range(start, min(start + granularity, 12))) for start in range(0, 12, granularity)
    ]
    protocol = {
        "num_images": 2000,
        "num_components": 2000,
        "num_samples": 500,
        "num_codes": 4000,
        "num_test_codes": 2000,
        "seed": 0,
    }
    return {
        "run": {
            "name": name,
            "id": name.replace("_", "-"),
            "model": "stcvae",
            "dataset": dataset,
            "title": f"stcvae on {dataset}" + (" (rendered)" if source == "rendered" else ""),
            "num_parameters": int(40_000 * width) + 500,
            "steps": 2000,
            "seconds": 10.0 + rng.random(),
            "device": "cpu",
        },
        "config": {
            "seed": seed,
            "paths": {"output_dir": "runs", "data_dir": "data", "cache_dir": "data_cache"},
            "likelihood": {
                "_target_": "vae_granularity.likelihoods.gaussian.Gaussian",
                "sigma": 0.3,
                "learned": False,
            },
            "net": {
                "_target_": "vae_granularity.nets.mlp.MLP",
                "latent_dim": 12,
                "width": width,
                "depth": 1,
                "hidden": 256,
            },
            "dataset": {
                "_target_": f"vae_granularity.data.{dataset}.{dataset.capitalize()}",
                "source": source,
                "num_samples": 20000,
                "batch_size": 64,
                "seed": seed,
                "val_fraction": 0.1,
                "device": "cpu",
                "data_dir": "data",
                "cache_dir": "data_cache",
            },
            "model": {
                "_target_": "vae_granularity.models.stcvae.BetaSTCVAE",
                "latent_dim": 12,
                "beta": beta,
                "within_group_weight": within_group_weight,
                "granularity": granularity,
                "partition": None,
                "estimator": "mws",
            },
            "optimizer": {
                "_target_": "torch.optim.Adam",
                "_partial_": True,
                "lr": 0.001,
                "fused": True,
            },
            "evaluation": {
                "_target_": "vae_granularity.evaluation.protocol.EvaluationProtocol",
                **protocol,
            },
            "trainer": {
                "_target_": "lightning.Trainer",
                "max_steps": 2000,
                "accelerator": "auto",
                "devices": 1,
            },
            "callbacks": {"terms": {"every": 50}, "evaluation": {"protocol": protocol}},
            "logger": {"_target_": "vae_granularity.training.loggers.csv_loggers"},
        },
        "data": {
            "name": dataset,
            "source": source,
            "verified": None,
            "seed": seed,
            "val_fraction": 0.1,
            "train_size": 18000,
            "split_sha256": f"{seed:064x}",
        },
        "terms": {
            "val/elbo": elbo,
            "val/reconstruction": elbo + kl,
            "val/kl": kl,
            "val/mutual_information": 5.0 + rng.random(),
            "val/between_group_tc": rng.random(),
            "val/within_group_tc": rng.random(),
            "val/dimension_kl": rng.random(),
        },
        "scores": {
            "mig": float(rng.random()),
            "active_kl": 12.0,
            "modularity": None if rng.random() < 0.1 else float(rng.random()),
        },
        "protocol": {
            "terms": {
                "asked": {
                    "num_images": 2000,
                    "num_components": 2000,
                    "num_samples": 500,
                    "seed": 0,
                    "partition": groups,
                },
                "likelihood": "Gaussian",
                "val": "held-out training images",
                "val_images": 2000,
                "exact_components": 2000,
                "saturation": {
                    "val/mutual_information": {
                        "value": float(rng.random()),
                        "bound": 7.6,
                        "saturated": False,
                    }
                },
            },
            VERSION: PROTOCOL_VERSION,
            "weights": "last",
            "codes": "means",
            "partition": groups,
            "partition_labels": ["-".join(f"z{d}" for d in group) for group in groups],
            "metrics": {
                "mig": {
                    "asked": {
                        "options": {},
                        "partition": groups,
                        "num_codes": 4000,
                        "seed": 0,
                        "versions": {"scikit-learn": "1.9.1"},
                    },
                    "num_samples": 4000,
                    "num_bins": 20,
                    "binning": "range",
                    "found": {"units": groups},
                    "scores": ["mig"],
                }
            },
            "not_applicable": {},
        },
        "versions": {"python": "3.11.7", "vae-granularity": version, "torch": "2.13.0"},
    }


def with_command(results: dict[str, Any], *overrides: str) -> dict[str, Any]:
    """The same results of a run that these overrides of the training command compose."""
    given = ["model=stcvae", f"dataset={results['run']['dataset']}", *overrides]
    config = OmegaConf.to_container(compose("train", given), resolve=True)
    assert isinstance(config, dict)
    run = {**results["run"], "overrides": config.pop("overrides")}
    return {**results, "run": run, "config": config}


def write_run(folder: Path, results: dict[str, Any]) -> Path:
    """The directory of one run."""
    directory = folder / results["run"]["name"]
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text("seed: 0\n")
    (directory / "results.json").write_text(json.dumps(results, indent=1))
    return directory


def grid(
    elbo: Elbo,
    *,
    widths: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0),
    granularities: tuple[int, ...] = (1, 2, 3, 4, 6),
    betas: tuple[float, ...] = (4.0,),
    seeds: int = 3,
    **fixed: Any,
) -> Iterator[dict[str, Any]]:
    """Results of a sweep."""
    for seed, beta, width, granularity in product(range(seeds), betas, widths, granularities):
        value = elbo(width, granularity, beta, seed)
        yield fake_results(
            width=width, granularity=granularity, beta=beta, seed=seed, elbo=value, **fixed
        )


def v_elbo(width: float, granularity: int, beta: float, seed: int, noise: float = 0.3) -> float:
    """The best granularity falls from 4 to 2 and rises to 4 again as the width grows from 1/8 to 4;
    ELBO in nats.
    """
    place = np.log2(width) + 3.0
    best = 1.0 + abs(place - 2.5) * 0.8
    step = (1, 2, 3, 4, 6).index(granularity) if granularity in (1, 2, 3, 4, 6) else granularity - 1
    rng = np.random.default_rng([seed, granularity, int(1000 * width), int(1000 * beta), 7])
    return float(
        -20.0
        - (step - best) ** 2
        - 0.1 * (place - 3) ** 2
        + noise * rng.standard_normal()
        + 0.5 * seed
    )
