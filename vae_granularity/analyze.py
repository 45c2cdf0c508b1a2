"""Write one page to read about finished runs: `python -m vae_granularity.analyze runs=FOLDER`."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.training import config


def run(cfg: DictConfig) -> None:
    """Analyse the runs that the config names."""
    from vae_granularity.analysis.settings import Settings

    values: Any = OmegaConf.to_container(cfg, resolve=True)
    settings = Settings.from_config(values)
    from vae_granularity.analysis.page.write import write_report  # scipy: after the checks

    write_report(settings)


def main() -> None:
    config.run_command("analyze", run)


if __name__ == "__main__":
    main()
