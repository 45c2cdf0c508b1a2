"""QLAE on rendered dSprites, with its weight against sums and against means.

python experiments/qlae/measure.py [STEPS]; see README.md.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vae_granularity.data.dsprites import DSprites
from vae_granularity.models.base import Parts
from vae_granularity.models.qlae import QLAE
from vae_granularity.runs.build import create, instantiate
from vae_granularity.training.config import compose

D, PIXELS = 12, 32 * 32
GRID = (1, 3, 3, 10, 8, 8)
CASES = {
    "before: 0.01 against sums, Adam": (0.01 * D / PIXELS, "adam_fast"),
    "now: 0.01 against means, Adam": (0.01, "adam_fast"),
    "now: 0.01 against means, AdamW": (0.01, "adamw"),
}


class Small(DSprites):
    """Every second pixel of a rendered grid."""

    card = replace(DSprites.card, image_shape=(1, 32, 32))

    def renderer(self) -> Callable[[np.ndarray], np.ndarray]:
        render = super().renderer()
        return lambda factors: render(factors)[:, ::2, ::2]


def trained(weight: float, optimizer: str, steps: int, seed: int) -> tuple[QLAE, Small]:
    """A model after that many steps of 64 images, and its data."""
    overrides = ["model=qlae", "net=mlp", f"optimizer={optimizer}", f"seed={seed}"]
    cfg = compose("train", [*overrides, f"model.quantisation_weight={weight}"])
    data = Small(source="rendered", cache_dir="data_cache", factor_sizes=GRID, seed=seed)
    data.setup()
    torch.manual_seed(seed)
    net = create(cfg.net, image_shape=data.image_shape)
    parts = Parts(net, create(cfg.likelihood), instantiate(cfg.optimizer), seed)
    model = create(cfg.model, parts=parts)
    trainer = model.configure_optimizers()
    for step in range(steps):
        trainer.zero_grad()
        model.train_batch(data.images(data.batch_indices(step)), step)["loss"].backward()
        trainer.step()
    return model, data


def measured(model: QLAE, data: Small) -> dict[str, Any]:
    """On the held-out images."""
    x = data.images(data.val_indices)
    with torch.no_grad():
        out = model.forward_pass(x, torch.zeros(len(x), D))
    squares = (out.mu - out.z).square()
    return {
        "mean squared distance of a latent": squares.mean().item(),
        "squared distance summed over latents": squares.sum(1).mean().item(),
        "values used of 10, by latent": [len(column.unique()) for column in out.z.t()],
        "largest |value|": model.values.abs().max().item(),
        "reconstruction in nats": out.log_px.mean().item(),
    }


def main(steps: int = 2000) -> None:
    results = []
    for name, (weight, optimizer) in CASES.items():
        for seed in range(2):
            started = time.monotonic()
            found = measured(*trained(weight, optimizer, steps, seed))
            results.append({"case": name, "seed": seed, "steps": steps, **found})
            print(results[-1], f"{time.monotonic() - started:.0f} s", flush=True)
    text = ",\n".join(json.dumps(row) for row in results)
    (Path(__file__).parent / "results.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
