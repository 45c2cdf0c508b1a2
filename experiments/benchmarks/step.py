"""The training step of β-STCVAE: networks × batch × precision, against the published loop around
the same network.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/step.py
Writes results/step.json and results/step.md beside this file. On a GPU also the captured step, and
the share of the limit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import CUDA, about, milliseconds, write
from published_loop import published_loop
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build
from vae_granularity.training.callbacks import CompiledStep
from vae_granularity.training.config import compose

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from operators import OperatorCount

DEVICE = "cuda" if CUDA else "cpu"
LATENT_DIM, GRANULARITY, BETA, N = 16, 2, 4.0, 480_000
CASES = (
    ("conv_bn", 64),
    ("conv_bn", 128),
    ("conv64", 64),
    ("conv64", 256),
    ("burgess", 64),
    ("mlp", 64),
)
COMPILED = {
    ("conv_bn", 128),
    ("conv64", 64),
}  # on a CPU, where compiling takes most of the time; all of them on a GPU
CUDA_CASES = tuple((net, size) for net in ("conv_bn", "conv64", "mlp") for size in (64, 256))
REPETITIONS = 30 if CUDA else 5
# Dense peaks of one H100 SXM by the vendor's data sheet, in TFLOP/s; float32 outside tensor cores.
LIMITS = {"float32": 67.0, "bf16": 989.0}


def model(net: str) -> LatentModel:
    """β-STCVAE on 64×64 RGB images, as the config builds it."""
    settings = (
        f"model.latent_dim={LATENT_DIM}",
        f"model.granularity={GRANULARITY}",
        f"model.beta={BETA:g}",
        f"net={net}",
    )
    built, _ = build(
        compose("train", ["dataset=shapes3d", "dataset.source=rendered", "model=stcvae", *settings])
    )
    built.dataset_size = N
    return built.to(DEVICE)


def published(net: str, x: Tensor) -> Callable[[], None]:
    """The same network in the plain memory format, the published loop as the loss, Adam as it was
    then.
    """
    network = model(net).net.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=False, foreach=False)

    def step() -> None:
        optimizer.zero_grad()
        mu, logvar = network.encode(x)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        log_px = (
            -binary_cross_entropy_with_logits(network.decode(z), x, reduction="none")
            .flatten(1)
            .sum(1)
        )
        (
            -published_loop(z, mu, logvar, log_px, size=GRANULARITY, dataset_size=N, beta=BETA)
        ).backward()
        optimizer.step()

    return step


def ours(
    net: str,
    x: Tensor,
    *,
    bf16: bool = False,
    compiled: str | None = None,
    channels_last: bool = True,
) -> Callable[[], None]:
    """The step as the trainer calls it: training_step, backward pass, optimiser; Lightning's loop
    around it is another table.
    """
    trained = model(net)
    if not channels_last:
        trained.to(memory_format=torch.contiguous_format)
    if compiled is not None:
        CompiledStep(mode=compiled).setup(None, trained, "fit")  # pyright: ignore[reportArgumentType]  # it needs no trainer
    optimizer: Any = trained.configure_optimizers()
    number = 0

    def step() -> None:
        nonlocal number
        optimizer.zero_grad()
        with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=bf16):
            loss = trained.train_batch(x, number)["loss"]
        loss.backward()
        optimizer.step()
        number += 1

    return step


def measure(net: str, size: int) -> dict[str, Any]:
    """Milliseconds of each way, their ratios, operators, and what the arithmetic comes to."""
    x = torch.rand(size, 3, 64, 64, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    compiled = "reduce-overhead" if CUDA else "default"
    torch.compiler.reset()
    parties = {
        "published": published(net, x),
        "contiguous": ours(net, x, channels_last=False),
        "default": ours(net, x),
        "bf16": ours(net, x, bf16=True),
    }
    if CUDA or (net, size) in COMPILED:
        parties |= {
            "compiled": ours(net, x, compiled=compiled),
            "bf16 compiled": ours(net, x, bf16=True, compiled=compiled),
        }
    found = milliseconds(parties, REPETITIONS, warm_up=3)
    with OperatorCount() as count:
        parties["default"]()
    with FlopCounterMode(display=False) as flops:
        parties["default"]()
    row: dict[str, Any] = {"net": net, "batch": size} | {
        f"{name}, ms": round(value, 2) for name, value in found.items()
    }
    for base, names in (
        ("published", ("default", "compiled")),
        ("default", ("bf16", "bf16 compiled")),
    ):
        row |= {
            f"{base} / {name}": round(found[base] / found[name], 2)
            for name in names
            if name in found
        }
    row |= {
        "operators": count.operators,
        "synchronisations": count.synchronisations,
        "GFLOP": round(flops.get_total_flops() / 1e9, 2),
    }
    for name, precision in (("default", "float32"), ("bf16", "bf16"), ("bf16 compiled", "bf16")):
        if name not in found:
            continue
        rate = flops.get_total_flops() / found[name] / 1e9
        row[f"{name}, TFLOP/s"] = round(rate, 3)
        if CUDA:
            row[f"{name}, % of limit"] = round(100 * rate / LIMITS[precision], 1)
    return row


def main() -> None:
    torch.set_num_threads(1)
    facts = about("OMP_NUM_THREADS=1 python experiments/benchmarks/step.py")
    rows = []
    for net, size in CUDA_CASES if CUDA else CASES:
        rows.append(measure(net, size))
        print(rows[-1], flush=True)
    clock = "Wall time to the end of the GPU's work" if CUDA else "Process CPU time of one thread"
    protocol = (
        f"64×64 RGB, D = {LATENT_DIM}, γ = {GRANULARITY}, β = {BETA:g}, the same batch again and "
        f"again. {clock}, all ways in turn, medians "
        f"of {REPETITIONS} after 3 calls that warm up (compiling is among them). `published`: the "
        "published loop around the same network, "
        "Adam unfused. `contiguous`: ours without channels_last. `default`: what a config without "
        "further options trains with (float32). "
        "`compiled`: compile="
        + ("graph" if CUDA else "step")
        + ". FLOP: convolutions and matrix products of forward and backward pass."
    )
    write("step", "Training step", facts, {"β-STCVAE": rows}, protocol)


if __name__ == "__main__":
    main()
