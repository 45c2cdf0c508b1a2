"""`python -m vae_granularity.train model=stcvae dataset=shapes3d`: train one VAE, or with -m a sweep of them."""

from __future__ import annotations

from omegaconf import DictConfig

from vae_granularity import config


def run(cfg: DictConfig) -> None:
    """One training job, from a composed config to results.json."""
    config.check_training_config(cfg)
    from vae_granularity.training import train  # torch and Lightning take seconds: after the checks

    train(cfg)


def main() -> None:
    config.run_command("train", run)


if __name__ == "__main__":
    main()
