"""`python -m vae_granularity.analyze runs=FOLDER`: one page, one table and figures of a folder."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.runs.identity import flat
from vae_granularity.training import config


def run(cfg: DictConfig) -> None:
    """Analyse the runs that the config names."""
    from vae_granularity.analysis.settings import Settings

    values: Any = OmegaConf.to_container(cfg, resolve=True)
    given = values["runs"]
    given = given if isinstance(given, list) else [] if given is None else [given]
    values["runs"] = tuple(Path(str(path)) for path in given)
    values["out"] = None if values["out"] is None else Path(values["out"])
    values["where"] = dict(flat(values["where"]))
    values["mix"] = tuple(values["mix"])
    settings = Settings(**values)
    from vae_granularity.analysis.pipeline import analyse  # pandas and scipy: after the checks

    analyse(settings)


def main() -> None:
    config.run_command("analyze", run)


if __name__ == "__main__":
    main()
