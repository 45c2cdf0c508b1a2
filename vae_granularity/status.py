"""`python -m vae_granularity.status runs=FOLDER`: list the runs of a folder with their state."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.runs.types import check_values
from vae_granularity.training import config

TYPES = {"runs": str | list[str] | None, "watch": bool, "every": float, "max_rows": int}


def run(cfg: DictConfig) -> None:
    """Show the runs that the config names, once or until interrupted."""
    values: Any = OmegaConf.to_container(cfg, resolve=True)
    arguments = check_values(values, TYPES)
    runs = arguments["runs"]
    if not runs:
        raise ArgumentError(f"runs must be a folder of run directories, or a list, got {runs!r}")
    folders = [runs] if isinstance(runs, str) else runs
    seconds = number("every", arguments["every"], 0.1)
    max_rows = integer("max_rows", arguments["max_rows"], 0)
    from vae_granularity.sweeps.status import show

    show(folders, " ".join(folders), max_rows, arguments["watch"], seconds)


def main() -> None:
    config.run_command("status", run)


if __name__ == "__main__":
    main()
