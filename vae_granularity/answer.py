"""`python -m vae_granularity.answer dataset=blocks budget=10min`: which γ do my data need?"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vae_granularity.answering.grid import Cost, Grid, choose_grid, parse_budget, smallest_grid
from vae_granularity.errors import ArgumentError, UserError
from vae_granularity.files import write_json
from vae_granularity.terminal import say, tolerant_output
from vae_granularity.training.arguments import check_arguments
from vae_granularity.training.config import compose, config_dir, explain

BUDGET = "10min"
# What the runs are where the command line does not say. Weight 0 and the stratified estimator: see
# experiments/main_job; batches of 128, so that a group sees enough neighbours.
DEFAULTS = {
    "model": "stcvae",
    "model.within_group_weight": "0",
    "model.estimator": "stratified",
    "dataset.batch_size": "128",
    "trainer": "quick",
    "metrics": "[active_units,factor_subspaces,gap]",
    "evaluation.figures": "false",
    "evaluation.every": "${trainer.max_steps}",
    "logger": "csv",
}
# Keys that the command sets itself.
OWN = ("model.granularity", "model.partition", "seed", "hydra/launcher")
RESULT = "answer.json"
# Steps that are timed, after one that is not.
TIMED_STEPS = 5
# Of a run beside its steps: imports are shared by a process, evaluation is not. Measured on two
# cores (experiments/answer).
SECONDS_BEFORE = 30.0
EVALUATION_SECONDS = {True: 20.0, False: 4.0}  # with convolutions, without
# A member of a population takes about half the time of a step alone.
POPULATION_SHARE = 0.5
HELP = """Answer which granularity data need: trains models of several γ and seeds, and judges them.

python -m vae_granularity.answer dataset=NAME [budget=10min] [KEY=VALUE ...]

budget=TIME   such as 90s, 10min or 2h: decides how many granularities and seeds are trained
KEY=VALUE     as of train: dataset, dataset.source, net.width, trainer.max_steps, model.beta ...

The same command goes on after an interruption. With a larger budget it adds runs.
Results: paths.output_dir (runs/answer_NAME): answer.json, analysis/report.html, the runs."""


def main() -> None:
    """Run the command."""
    with tolerant_output():
        if {"--help", "-h"} & set(sys.argv[1:]):
            say(HELP)
            return
        try:
            answer(sys.argv[1:])
        except UserError as error:
            say(f"error: {error}", to_stderr=True)
            sys.exit(2 if isinstance(error, ArgumentError) else 1)
        except KeyboardInterrupt:
            say("\ninterrupted: the same command continues", to_stderr=True)
            sys.exit(130)


def answer(arguments: Sequence[str]) -> None:
    """Train what the budget allows, judge it, and say what came out.

    Raises:
        ArgumentError: an argument is out of range or set by the command itself.
        UserError: the data cannot be had, or runs failed.
        SystemExit: 1 where the budget is too small for any answer.
    """
    budget, overrides = split_arguments(arguments)
    seconds = parse_budget(budget)
    config = _composed(overrides)
    cost, launcher = measure_cost(config)
    grid = choose_grid(seconds, cost, int(config.model.latent_dim))
    if grid is None:
        least = smallest_grid(int(config.model.latent_dim))
        minutes = max(1, round(1.1 * cost.seconds(least.num_runs) / 60))
        again = " ".join([*_without_budget(arguments), f"budget={minutes}min"])
        say(
            f"not enough: {least.num_runs} runs of {config.trainer.max_steps} steps take about "
            f"{minutes} min here; python -m vae_granularity.answer {again}"
        )
        sys.exit(1)
    folder = Path(config.paths.output_dir)
    say(
        f"{grid.num_runs} runs: γ = {', '.join(map(str, grid.granularities))}, {grid.seeds} seeds, "
        f"{config.trainer.max_steps} steps; about {cost.seconds(grid.num_runs) / 60:.0f} min"
    )
    _train(overrides, grid, launcher)
    _report(folder)


def split_arguments(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the budget and the overrides of training, with the defaults of this command.

    Raises:
        ArgumentError: an argument is no override, or is set by the command itself.
    """
    check_arguments("train", arguments, config_dir())
    given: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key.startswith("-"):
            raise ArgumentError(f"{argument}: this command takes KEY=VALUE only (--help)")
        if key in OWN:
            raise ArgumentError(f"{argument}: the command sets {key} itself; leave it out")
        given[key] = value
    budget = given.pop("budget", BUDGET)
    dataset = given.get("dataset", "shapes3d")
    defaults = DEFAULTS | {"paths.output_dir": f"runs/answer_{dataset}"}
    return budget, [f"{key}={value}" for key, value in (defaults | given).items()]


def measure_cost(config: Any) -> tuple[Cost, str]:
    """Return what a run costs here, by a few timed steps on noise, and the launcher that is best.

    Raises:
        ArgumentError: an argument of model or data is out of range.
    """
    import torch

    from vae_granularity.population.packing import reason_to_train_alone
    from vae_granularity.population.plan import has_convolutions, trains_on_gpu
    from vae_granularity.runs.build import build
    from vae_granularity.sweeps.workers import cores
    from vae_granularity.training.config import check_training_config

    check_training_config(config)
    model, data = build(config)
    model.dataset_size = 10_000
    optimizer: Any = model.configure_optimizers()
    images = torch.rand(config.dataset.batch_size, *data.image_shape)
    started = time.perf_counter()
    for step in range(TIMED_STEPS + 1):
        if step == 1:
            started = time.perf_counter()
        optimizer.zero_grad()
        model.train_batch(images, step)["loss"].backward()
        optimizer.step()
    seconds_per_step = (time.perf_counter() - started) / TIMED_STEPS

    from omegaconf import OmegaConf

    resolved: Any = OmegaConf.to_container(config, resolve=True)
    convolutional = has_convolutions(model)
    together = not convolutional and reason_to_train_alone(resolved, model) is None
    share = POPULATION_SHARE if together else 1.0
    training = share * seconds_per_step * config.trainer.max_steps
    processes = 1 if trains_on_gpu(config) else cores()
    cost = Cost(training + EVALUATION_SECONDS[convolutional], SECONDS_BEFORE, processes)
    if together:
        return cost, "population"
    return cost, "cores" if processes > 1 else "basic"


def _composed(overrides: Sequence[str]) -> Any:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        return compose("train", list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise ArgumentError(explain(error, "train")) from error


def _without_budget(arguments: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if not argument.startswith("budget=")]


def _train(overrides: Sequence[str], grid: Grid, launcher: str) -> None:
    granularities = ",".join(map(str, sorted(grid.granularities)))
    seeds = ",".join(map(str, range(grid.seeds)))
    command = [sys.executable, "-m", "vae_granularity.train", "-m", *overrides]
    command += [f"model.granularity={granularities}", f"seed={seeds}", f"hydra/launcher={launcher}"]
    code = subprocess.run(command, check=False).returncode
    if code == 130:
        raise KeyboardInterrupt
    if code != 0:
        raise UserError(f"training ended with exit code {code}; the same command continues")


def _report(folder: Path) -> None:
    from vae_granularity.answering.judgement import judge
    from vae_granularity.runs.table import read_runs

    judgement = judge(read_runs(folder))
    write_json(
        folder / RESULT, {"granularity": judgement.granularity, "lines": list(judgement.lines)}
    )
    page = folder / "analysis" / "report.html"
    analysis = [sys.executable, "-m", "vae_granularity.analyze", f"runs={folder}"]
    code = subprocess.run(analysis, check=False, stdout=subprocess.DEVNULL).returncode
    for line in judgement.lines:
        say(line)
    say(f"page: {page}" if code == 0 else f"no page: analyze ended with exit code {code}")


if __name__ == "__main__":
    main()
