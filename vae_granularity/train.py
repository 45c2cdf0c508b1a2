"""`python -m vae_granularity.train model=stcvae dataset=shapes3d`: train one VAE, or with -m a
sweep of them.
"""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from vae_granularity.training import config


def run(cfg: DictConfig) -> Any:
    """One training job, from a composed config to results.json; with `pack`, the runs of that file
    as a population.
    """
    config.check_training_config(cfg)
    from vae_granularity.population.jobs import train_one, train_pack

    return train_pack(cfg.pack) if "pack" in cfg else train_one(cfg)


def main() -> None:
    config.run_command("train", run)


if __name__ == "__main__":
    main()
