"""`python -m vae_granularity.evaluate run=DIR`: measure finished runs again or further."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import ArgumentError
from vae_granularity.runs.table import find_runs
from vae_granularity.runs.types import check_values
from vae_granularity.training import config

TYPES = {
    "run": str | list[str],
    "trust": list[str],
    "paths": dict[str, str | None],
    "evaluation": dict[str, Any],
    "metrics": dict[str, dict[str, Any]] | None,
}


def run(cfg: DictConfig) -> None:
    """Measure every finished run that `run=` names."""
    values: Any = OmegaConf.to_container(cfg, resolve=True)
    check_values(values, TYPES)
    places = [cfg.run] if isinstance(cfg.run, str) else list(cfg.run)
    if not places or "" in places:
        raise ArgumentError(
            f"run must be a run directory, a folder of them, a pattern or a list of these, "
            f"got {cfg.run!r}"
        )
    directories, broken = find_runs(map(str, places))
    from vae_granularity.evaluation.measure_again import evaluate_runs  # torch: after the checks

    evaluate_runs(cfg, directories, broken)


def main() -> None:
    config.run_command("evaluate", run)


if __name__ == "__main__":
    main()
