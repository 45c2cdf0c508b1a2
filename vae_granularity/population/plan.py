"""Choose how compatible runs train: compiled or not, how many together, in how many processes.

A rule, not a measurement. Timed trials chose "compiled, eight together, all cores" in every sweep
of small networks that was long enough to pay for them, and took 33 of 267 seconds
(experiments/population). The constants below are what they measured.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import nn

from vae_granularity.population.compiled import no_compiler
from vae_granularity.sweeps.workers import cores

AUTO, ALONE, EAGER, COMPILED = "auto", "alone", "eager", "compiled"
# Sixteen members together are no faster than eight on a CPU.
MAX_TOGETHER_CPU = 8
MAX_TOGETHER_GPU = 512
# Weights, gradient and the two moments of Adam, in float32.
BYTES_PER_PARAMETER = 16
# Compiling takes 15 to 20 s of CPU time and saves about 0.9 ms a member and step.
STEPS_THAT_PAY_FOR_COMPILING = 20_000
# A further process imports for about 8 s, as long as 5 000 uncompiled steps of two runs take.
STEPS_THAT_PAY_FOR_A_PROCESS = 10_000
# Evaluating a run of a small network takes 1 to 3 s, as long as about 2 000 uncompiled steps.
STEPS_PER_EVALUATION = 2_000
CPU_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
DEFAULT_CACHE_BYTES = 2**24


@dataclass(frozen=True)
class Plan:
    """Plan by which a group of compatible runs trains.

    Args:
        how: alone | eager | compiled.
        together: members that one step computes, at most; the others take turns.
        processes: processes of this machine that train at a time.
        reason: why this way, for the user.
    """

    how: str
    together: int
    processes: int
    reason: str

    def __str__(self) -> str:
        members = "one run at a time"
        if self.how != ALONE:
            members = f"{self.together} members together, {self.how}"
        plural = "es" if self.processes > 1 else ""
        return f"{members}, in {self.processes} process{plural} ({self.reason})"


def choose_plan(
    model: nn.Module,
    num_runs: int,
    max_steps: int,
    *,
    max_together: int,
    max_processes: int,
    on_gpu: bool,
) -> Plan:
    """Return the plan for runs that share the shapes of `model`.

    Args:
        model: any of the runs' models.
        num_runs: runs of the group.
        max_steps: training steps of a run.
        max_together: members that one step may compute, at most.
        max_processes: processes that may train at a time.
        on_gpu: whether the runs train on a GPU.
    """
    if on_gpu:
        together = min(max_together, MAX_TOGETHER_GPU, num_runs)
        no_compilation = no_compiler()
        if no_compilation is not None:
            return Plan(EAGER, together, 1, no_compilation)
        return Plan(COMPILED, together, 1, "on a GPU every launch counts")

    processes = min(max_processes, num_runs)
    if num_runs * (max_steps + STEPS_PER_EVALUATION) < STEPS_THAT_PAY_FOR_A_PROCESS:
        processes = 1
    if has_convolutions(model):
        return Plan(ALONE, 1, processes, "on a CPU convolutions gain nothing from a population")

    runs_per_process = -(-num_runs // processes)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    fitting = members_in_cache(parameters, cache_bytes() // processes)
    together = min(max_together, fitting, runs_per_process)
    no_compilation = reason_not_to_compile(model, runs_per_process * max_steps)
    if no_compilation is None:
        return Plan(COMPILED, together, processes, "enough steps to pay for compiling")
    if together == 1:
        return Plan(ALONE, 1, processes, no_compilation)
    return Plan(EAGER, together, processes, no_compilation)


def reason_not_to_compile(model: nn.Module, num_steps: int) -> str | None:
    """Return why compiling does not pay on a CPU, or None if it does.

    Args:
        model: whose step would be compiled.
        num_steps: steps that one process takes, summed over its runs.
    """
    if has_convolutions(model):
        return "convolutions are as fast uncompiled on a CPU"
    if num_steps < STEPS_THAT_PAY_FOR_COMPILING:
        return (
            f"{num_steps} steps in a process, fewer than the {STEPS_THAT_PAY_FOR_COMPILING} "
            "that pay for compiling"
        )
    return no_compiler()


def reason_to_train_uncompiled(config: DictConfig, model: nn.Module) -> str | None:
    """Return why `compile=auto` leaves a single run to Lightning's loop, or None."""
    if trains_on_gpu(config):
        return "on a GPU choose compile=step or compile=graph"
    return reason_not_to_compile(model, config.trainer.max_steps)


def has_convolutions(model: nn.Module) -> bool:
    """Return whether any layer of the model is a convolution."""
    convolutions = (nn.Conv2d, nn.ConvTranspose2d)
    return any(isinstance(module, convolutions) for module in model.modules())


def members_in_cache(parameters: int, cache: int) -> int:
    """Return how many members of so many parameters train within `cache` bytes, at least 2.

    >>> members_in_cache(10_000, 2**25), members_in_cache(500_000, 2**25)
    (8, 4)
    """
    return max(2, min(MAX_TOGETHER_CPU, cache // (BYTES_PER_PARAMETER * parameters)))


def cache_bytes(folder: Path = CPU_CACHES) -> int:
    """Return the size of the first core's largest cache; 16 MiB where the system does not say."""
    sizes = [path.read_text(encoding="ascii").strip() for path in folder.glob("index*/size")]
    in_bytes = [int(size[:-1]) * 1024 for size in sizes if size.endswith("K")]
    return max(in_bytes, default=DEFAULT_CACHE_BYTES)


def trains_on_gpu(config: DictConfig) -> bool:
    """Return whether a run of this config trains on a GPU of this machine."""
    return torch.cuda.is_available() and config.trainer.accelerator != "cpu"


def available_processes(config: DictConfig) -> int:
    """Return how many processes train at a time here: one a core, one on a GPU."""
    return 1 if trains_on_gpu(config) else cores()
