"""`python -m vae_granularity.train model=stcvae dataset=shapes3d`: train a VAE, or a sweep (-m)."""

from typing import Any

from omegaconf import DictConfig

from vae_granularity.training import config


def run(cfg: DictConfig) -> Any:
    """One training job, from a composed config to results.json; `pack` names several runs."""
    config.check_training_config(cfg)
    from vae_granularity.population.jobs import train_one, train_pack

    return train_pack(cfg.pack) if "pack" in cfg else train_one(cfg)


def main() -> None:
    config.run_command("train", run)


if __name__ == "__main__":
    main()
