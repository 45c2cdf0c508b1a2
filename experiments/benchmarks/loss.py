"""The loss of β-STCVAE, forward and backward: time against the published loop, peak memory,
accuracy of the gradient.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/loss.py
Writes results/loss.json and results/loss.md beside this file.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import CUDA, about, milliseconds, write
from published_loop import published_loop
from torch import Tensor

from vae_granularity.elbo import decompose, weighted_elbo
from vae_granularity.partition import LatentPartition

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from operators import OperatorCount

BETA, N = 4.0, 480_000
# batch, latent dimensions, granularity, repetitions; the published loop's time grows with the
# square of the number of groups
SHAPES = (
    *((64, 10, 1, 30), (64, 10, 2, 30), (64, 10, 5, 30), (64, 16, 2, 20)),
    *((256, 10, 2, 15), (64, 64, 2, 9), (64, 64, 8, 9)),
)
MEMORY = ((256, 10, 2), (256, 64, 2), (1024, 10, 2), (1024, 64, 2))
Loss = Callable[
    [Tensor, Tensor, Tensor, Tensor, Tensor], Tensor
]  # of z, mu, logvar, log p(x|z), membership


def ours(z: Tensor, mu: Tensor, logvar: Tensor, log_px: Tensor, membership: Tensor) -> Tensor:
    """The mean weighted ELBO as models compute it."""
    terms = decompose(z=z, mu=mu, logvar=logvar, partition=membership, dataset_size=N)
    weights = {
        "mutual_information": 1.0,
        "between_group_tc": BETA,
        "within_group_tc": -BETA / 2,
        "dimension_kl": 1.0,
    }
    return weighted_elbo(log_px, terms, **weights).mean()


def plain(z: Tensor, mu: Tensor, logvar: Tensor, log_px: Tensor, membership: Tensor) -> Tensor:
    """The same from one (B, B, D) table and autograd: vectorised, nothing spared. What accuracy and
    memory are compared with.
    """
    constant = torch.log(z.new_tensor(float(len(z) * N)))
    gaussian = -0.5 * (
        torch.log(z.new_tensor(2 * torch.pi))
        + logvar
        + (z.unsqueeze(1) - mu) ** 2 * (-logvar).exp()
    )
    dims, groups = gaussian.logsumexp(1) - constant, (gaussian @ membership).logsumexp(1) - constant
    whole = gaussian.sum(2).logsumexp(1) - constant
    own = gaussian.diagonal().t().sum(1)
    prior = -0.5 * (torch.log(z.new_tensor(2 * torch.pi)) + z**2).sum(1)
    between, within = whole - groups.sum(1), (groups - dims @ membership).sum(1)
    return (
        log_px - (own - whole) - BETA * between + BETA / 2 * within - (dims.sum(1) - prior)
    ).mean()


def batch(
    size: int, dim: int, granularity: int, log_sigma: float = -1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """mu, logvar (B, D) that take gradients, noise (B, D), log p(x|z) (B,) and membership (D,
    G).
    """
    generator = torch.Generator().manual_seed(0)
    mu, spread, noise = (torch.randn(size, dim, generator=generator) for _ in range(3))
    logvar, log_px = 2 * log_sigma + 0.5 * spread, torch.randn(size, generator=generator)
    membership = LatentPartition.from_granularity(dim, granularity).membership()
    device = "cuda" if CUDA else "cpu"
    mu, logvar, noise, log_px, membership = (
        t.to(device) for t in (mu, logvar, noise, log_px, membership)
    )
    return mu.requires_grad_(), logvar.requires_grad_(), noise, log_px, membership


def call(loss: Loss, inputs: tuple[Tensor, ...]) -> Callable[[], None]:
    """Forward and backward of a loss."""
    mu, logvar, noise, log_px, membership = inputs

    def run() -> None:
        mu.grad = logvar.grad = None
        loss(mu + torch.exp(0.5 * logvar) * noise, mu, logvar, log_px, membership).backward()

    return run


def times(size: int, dim: int, granularity: int, repetitions: int) -> dict[str, Any]:
    """Milliseconds of the published loop and of ours, plain and compiled, and the operators of
    ours.
    """
    inputs = batch(size, dim, granularity)

    def published(
        z: Tensor, mu: Tensor, logvar: Tensor, log_px: Tensor, membership: Tensor
    ) -> Tensor:
        return published_loop(z, mu, logvar, log_px, size=granularity, dataset_size=N, beta=BETA)

    torch.compiler.reset()
    compiled = torch.compile(ours, dynamic=False, fullgraph=True)
    parties = {
        "published": call(published, inputs),
        "eager": call(ours, inputs),
        "compiled": call(compiled, inputs),
    }
    started = time.perf_counter()
    parties["compiled"]()
    compiling = time.perf_counter() - started
    found = milliseconds(parties, repetitions)
    with OperatorCount() as count:
        parties["eager"]()
    return {
        "batch": size,
        "latent_dim": dim,
        "granularity": granularity,
        **{f"{name}, ms": round(value, 2) for name, value in found.items()},
        "eager, times faster": round(found["published"] / found["eager"], 2),
        "compiled, times faster": round(found["published"] / found["compiled"], 2),
        "compiling, s": round(compiling, 1),
        "operators": count.operators,
        "synchronisations": count.synchronisations,
    }


def accuracy(size: int, dim: int, sigma: float) -> dict[str, Any]:
    """Relative error (norm) of the float32 gradients in z, mu and logvar against the plain form in
    float64 on the same numbers.
    """
    mu, logvar, noise, log_px, membership = batch(
        size, dim, 2, log_sigma=float(torch.log(torch.tensor(sigma)))
    )
    z = (mu + torch.exp(0.5 * logvar) * noise).detach()
    found = []
    for loss, dtype in ((ours, torch.float32), (plain, torch.float64)):
        leaves = [t.detach().to(dtype).requires_grad_() for t in (z, mu, logvar)]
        found.append(
            torch.autograd.grad(loss(*leaves, log_px.to(dtype), membership.to(dtype)), leaves)
        )
    errors = [float((a.double() - b).norm() / b.norm()) for a, b in zip(*found, strict=True)]
    return {
        "batch": size,
        "latent_dim": dim,
        "median sigma": sigma,
        **dict(zip(("z", "mu", "logvar"), errors, strict=True)),
    }


def peak_memory(size: int, dim: int, granularity: int) -> dict[str, Any]:
    """Megabytes that forward and backward add to the peak of memory: on a CPU each form in a
    process of its own.
    """
    found = {}
    for name in ("plain", "ours"):
        command = [sys.executable, __file__, "--peak", name, str(size), str(dim), str(granularity)]
        found[name] = float(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
        )
    return {
        "batch": size,
        "latent_dim": dim,
        "granularity": granularity,
        "plain vectorised, MB": round(found["plain"], 1),
        "ours, MB": round(found["ours"], 1),
        "plain / ours": round(found["plain"] / max(found["ours"], 0.1), 1),
    }


def peak(name: str, size: int, dim: int, granularity: int) -> float:
    """Megabytes added by one form, in this process."""
    loss = {"plain": plain, "ours": ours}[name]
    call(loss, batch(4, 3, 1))()  # imports, thread pools and kernels are not the loss's
    run = call(loss, batch(size, dim, granularity))
    if CUDA:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = _kilobytes("VmHWM")
    run()
    return (_kilobytes("VmHWM") - before) / 1024


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--peak"]:
        print(peak(sys.argv[2], *map(int, sys.argv[3:])))
        return
    facts = about("OMP_NUM_THREADS=1 python experiments/benchmarks/loss.py")
    tables = {
        "Time": [times(*shape) for shape in SHAPES],
        "Error of the gradient": [
            accuracy(size, dim, sigma)
            for size, dim in ((64, 10), (256, 64))
            for sigma in (1.0, 0.1, 0.003)
        ],
        "Peak memory": [peak_memory(*shape) for shape in MEMORY],
    }
    clock = "Wall time to the end of the GPU's work" if CUDA else "Process CPU time"
    protocol = (
        f"β = {BETA:g}, estimator mws, float32. {clock}, the three in turn, medians; compiling is "
        "not in the compiled time. "
        "The error is relative, in norm, against the plain vectorised form in float64 on the same "
        "float32 z, mu and logvar. Memory is what "
        "one forward and backward pass adds to the peak, on a CPU that of the process (resident)."
    )
    write("loss", "Loss, forward and backward", facts, tables, protocol)


if __name__ == "__main__":
    main()
