"""The fastest way to train compatible runs on this machine, found by short trials."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import nn

from vae_granularity.population import plan as plans
from vae_granularity.population.compiled import no_compiler
from vae_granularity.population.evaluation_cost import seconds_besides
from vae_granularity.population.plan import COMPILED, EAGER, Plan, Speed, Work
from vae_granularity.population.rehearsal import Rehearsal
from vae_granularity.sweeps.processes import cores

# Sweeps that train longer pay for compiling, about 30 s, and for measuring what evaluation takes.
MINUTE = 60.0
WORTH = 0.1  # of the seconds that training takes: what measuring evaluation may take
ONE_RUN = 20_000  # steps of one run that pay for its own compilation
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def best_plan(configs: Sequence[DictConfig], most: int, processes: int, startup: float) -> Plan:
    """The plan that is projected to train the runs first; prints what was measured.

    Args:
        configs: of compatible runs.
        most: members that are computed together, at most.
        processes: that may run at a time.
        startup: seconds that a further process takes before it trains.
    """
    started, threads = time.monotonic(), torch.get_num_threads()
    rehearsal = Rehearsal(configs[0])
    together = min(most, together_here(rehearsal.model, rehearsal.device, processes))
    work = Work(len(configs), configs[0].trainer.max_steps, 0.0, startup)

    def trial(plan: Plan) -> Speed:
        torch.set_num_threads(max(1, threads // plan.processes))
        return rehearsal.speed(plan)

    def trials(*ways: str) -> dict[Plan, Speed | str]:
        worth = plans.candidates(len(configs), ways, processes, together)
        return plans.try_plans([plan for plan in worth if plan not in found], trial)

    found: dict[Plan, Speed | str] = {}
    try:
        found |= trials(EAGER)
        short = plans.projected(work, found) <= MINUTE
        why = "shorter than compiling is worth" if short else not_compiled(rehearsal.model)
        if why is None or (rehearsal.device.type == "cuda" and no_compiler() is None):
            found |= trials(COMPILED)
        else:
            print(f"not compiled: {why}")
    finally:
        torch.set_num_threads(threads)
    what = ", without evaluation, which cannot change the choice"
    if plans.settled(work, found) is None or plans.projected(work, found) > MINUTE:
        budget = WORTH * plans.projected(work, found)
        work, what = replace(work, seconds_besides=seconds_besides(rehearsal, configs, budget)), ""
    plan = plans.fastest(work, found)
    took = time.monotonic() - started
    print(f"{work.points} compatible runs of {work.steps} steps, projected{what}:")
    print(f"{plans.table(work, found)}\nchosen: {plan} (trials took {took:.1f} s)", flush=True)
    return plan


def not_compiled(model: nn.Module) -> str | None:
    """Why compiling a model's step cannot pay on a CPU, in a sentence; None if it may."""
    convolutions = (nn.Conv2d, nn.ConvTranspose2d)
    if any(isinstance(part, convolutions) for part in model.modules()):
        return "convolutions are as fast uncompiled on a CPU"
    return no_compiler()


def why_alone(config: DictConfig, model: nn.Module) -> str | None:
    """Why `compile=auto` leaves a single run to Lightning's loop; None if it compiles it."""
    if torch.cuda.is_available() and config.trainer.accelerator != "cpu":
        return "on a GPU compile=step or graph is the choice to make"
    if config.trainer.max_steps < ONE_RUN:
        return f"fewer than {ONE_RUN} steps do not pay for compiling"
    return not_compiled(model)


def together_here(model: nn.Module, device: torch.device, processes: int) -> int:
    """Members that are computed together on this machine: all on a GPU, what fits a CPU's cache."""
    if device.type == "cuda":
        return 512
    return plans.fitting(sum(p.numel() for p in model.parameters()), cache_bytes() // processes)


def cache_bytes(folder: Path = CACHES) -> int:
    """Size of the largest cache of the first core; 16 MiB where the system does not say."""
    sizes = [path.read_text(encoding="utf-8").strip() for path in folder.glob("index*/size")]
    return max((int(s[:-1]) * 1024 for s in sizes if s.endswith("K")), default=2**24)


def processes_here() -> int:
    """How many processes train at a time: one a core; one on a GPU."""
    if torch.cuda.is_available():
        return 1
    return cores()
