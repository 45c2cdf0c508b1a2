"""A Hydra multirun of the training command's configs by Hydra's own sweeper, whose job does
nothing: for sweep_overhead.py.
"""

from __future__ import annotations

import hydra
from omegaconf import DictConfig, OmegaConf

from vae_granularity.training.config import config_dir


@hydra.main(config_path=str(config_dir()), config_name="train", version_base="1.3")
def main(cfg: DictConfig) -> None:
    OmegaConf.resolve(cfg)  # a job that reads nothing would be spared what every job pays


if __name__ == "__main__":
    main()
