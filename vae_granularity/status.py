"""`python -m vae_granularity.status runs=FOLDER`: what a folder of runs is at, from its files."""

from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.training import config


def run(cfg: DictConfig) -> None:
    """Show the runs that the config names, once or until interrupted."""
    given = OmegaConf.to_container(cfg.runs) if OmegaConf.is_list(cfg.runs) else cfg.runs
    if not given:
        raise ArgumentError(f"runs must be a folder of run directories, or a list, got {given!r}")
    places = [str(given)] if not isinstance(given, list) else [str(place) for place in given]
    every = number("every", cfg.every, 0.1)
    rows = integer("max_rows", cfg.max_rows, 0)
    from vae_granularity.sweeps.screen import show

    show(places, " ".join(places), rows, bool(cfg.watch), every)


def main() -> None:
    config.run_command("status", run)


if __name__ == "__main__":
    main()
