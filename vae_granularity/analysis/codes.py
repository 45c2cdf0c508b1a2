"""The codes that every model gives the same images, computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from vae_granularity.analysis.row import canonical
from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.gaussian import kl_to_standard_normal
from vae_granularity.evaluation.encoding import encode_table, subset
from vae_granularity.runs.reading import Run, load_run

SAME_IMAGES = (
    "seed",
    "batch_size",
    "val_fraction",
    "device",
    "data_dir",
    "cache_dir",
)  # keys that do not change which image is which
BATCH = 256


@dataclass(frozen=True, eq=False)
class Codes:
    """What one model makes of the n common images of its data set."""

    run: Any  # index of the run in the table
    data: ImageDataModule  # set up; one for all runs on a data set
    indices: np.ndarray  # (n,) the images
    mu: np.ndarray  # (n, D) posterior means
    kl: np.ndarray  # (D,) mean KL(q(z_d|x) || N(0, 1)), nats; nan for a model without posterior


def all_codes(
    table: pd.DataFrame, folder: Path, num_codes: int, failed: dict[str, str], seed: int = 0
) -> Iterator[Codes]:
    """The codes of each run of the table, those that `folder` holds from an earlier pass as they
    are.

    Args:
        num_codes: n, at most.
        failed: takes the directory of a run whose model cannot be read, and why.
        seed: of the draw of the images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data_of: dict[str, ImageDataModule] = {}
    for index, row in table.iterrows():
        try:
            run = load_run(Path(str(row["path"])))
            name = _data_name(run)
            if name not in data_of:
                run.datamodule.setup()
                data_of[name] = run.datamodule
            data = data_of[name]
            images = subset(_count(data), num_codes, seed)
            mu, kl = _kept(
                folder / f"{row['run.name']}.npz",
                f"{row['mtime_ns']} {num_codes} {seed}",
                run,
                data,
                images,
            )
            yield Codes(index, data, images, mu, kl)
        except Exception as error:  # a damaged run, or one of a version whose classes had other names, must not end the analysis
            failed[str(row["path"])] = (str(error).splitlines() or [type(error).__name__])[0]


def _kept(
    file: Path, key: str, run: Run, data: ImageDataModule, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if file.is_file():
        try:
            with np.load(file) as kept:
                if str(kept["key"]) == key:
                    return kept["mu"], kept["kl"]
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
        ):  # half-written by a pass that was stopped: done again
            pass
    table = encode_table(run.model, data, images, BATCH)
    mu = table.mu.numpy()
    kl = (
        kl_to_standard_normal(table.mu, table.logvar).mean(0).numpy()
        if run.model.stochastic
        else np.full(mu.shape[1], np.nan)
    )
    np.savez(file, mu=mu, kl=kl, key=key)
    return mu, kl


def _data_name(run: Run) -> str:
    node: Any = OmegaConf.to_container(run.config.dataset, resolve=True)
    return canonical({key: value for key, value in node.items() if key not in SAME_IMAGES})


def _count(data: ImageDataModule) -> int:
    return sum(
        len(part)
        for part in (data.train_indices, data.val_indices, data.test_indices)
        if part is not None
    )
