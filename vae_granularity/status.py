"""`python -m vae_granularity.status runs=FOLDER`: what a folder of runs is at, from its files."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.runs.types import check_values
from vae_granularity.training import config

TYPES = {"runs": str | list[str] | None, "watch": bool, "every": float, "max_rows": int}


def run(cfg: DictConfig) -> None:
    """Show the runs that the config names, once or until interrupted."""
    values: Any = OmegaConf.to_container(cfg, resolve=True)
    given = check_values(values, TYPES)
    runs = given["runs"]
    if not runs:
        raise ArgumentError(f"runs must be a folder of run directories, or a list, got {runs!r}")
    places = [runs] if isinstance(runs, str) else runs
    every = number("every", given["every"], 0.1)
    rows = integer("max_rows", given["max_rows"], 0)
    from vae_granularity.sweeps.screen import show

    show(places, " ".join(places), rows, given["watch"], every)


def main() -> None:
    config.run_command("status", run)


if __name__ == "__main__":
    main()
