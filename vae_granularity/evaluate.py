"""`python -m vae_granularity.evaluate run=DIR`: measure finished runs again and rewrite their results.json."""

from __future__ import annotations

import json
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from vae_granularity import config
from vae_granularity.errors import DataError
from vae_granularity.runs import CONFIG, RESULTS, load_run, write_atomically


def run(cfg: DictConfig) -> None:
    """Evaluate every run that `run=` names."""
    given = cfg.run if isinstance(cfg.run, ListConfig) else [cfg.run]
    for directory in [found for path in given for found in run_directories(Path(str(path)))]:
        evaluate_run(directory, cfg)


def run_directories(path: Path) -> list[Path]:
    """The run directory itself, or the finished runs in a folder of them.

    Raises:
        DataError: there is no finished run.
    """
    if (path / CONFIG).is_file():
        if not (path / RESULTS).is_file():
            raise DataError(f"{path} is not finished: it has no {RESULTS}; start the same run again to continue it")
        return [path]
    found = sorted(file.parent for file in path.glob(f"*/{RESULTS}"))
    if not found:
        raise DataError(f"{path} holds no finished run: neither {CONFIG} nor */{RESULTS}" if path.is_dir() else f"{path} does not exist")
    return found


def evaluate_run(directory: Path, cfg: DictConfig) -> None:
    """Recompute terms, scores and figures of one run; nothing is lost if it fails half-way."""
    from vae_granularity.build import create, create_metrics
    from vae_granularity.evaluation.report import report

    loaded = load_run(directory)
    loaded.datamodule.setup()
    protocol = create(OmegaConf.merge(loaded.config.evaluation, cfg.evaluation))
    metrics = create_metrics(cfg if cfg.get("metrics") else loaded.config)
    found = report(loaded.model, loaded.datamodule, protocol, metrics, [], loaded.results["run"]["steps"], directory, final=True)
    results = loaded.results | {"terms": found.terms, "scores": found.scores, "protocol": found.protocol}
    write_atomically(directory / RESULTS, json.dumps(results, indent=1))
    print("\n".join(f"{name:45} {value:12.4f}" for name, value in found.logged.items()) + f"\ndone: {directory}")


def main() -> None:
    config.run_command("evaluate", run)


if __name__ == "__main__":
    main()
