"""`python -m vae_granularity.analyze runs=FOLDER`: one page to read, one table and the figures of a
folder of finished runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.training import config


def run(cfg: DictConfig) -> None:
    """Analyse the runs that the config names."""
    from vae_granularity.analysis.settings import Settings

    values: Any = OmegaConf.to_container(cfg, resolve=True)
    given = values["runs"]
    values["runs"] = tuple(
        Path(str(path))
        for path in (given if isinstance(given, list) else [] if given is None else [given])
    )
    values["out"] = None if values["out"] is None else Path(values["out"])
    values["where"] = dict(_flat(values["where"]))
    values["mix"] = tuple(values["mix"])
    settings = Settings(**values)
    from vae_granularity.analysis.pipeline import analyse  # pandas and scipy: after the checks

    analyse(settings)


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`model.beta` for {"model": {"beta": 4}}."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def main() -> None:
    config.run_command("analyze", run)


if __name__ == "__main__":
    main()
