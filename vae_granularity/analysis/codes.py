"""Encode the same images by every model, and store the codes."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from vae_granularity.analysis.labels import first_line
from vae_granularity.analysis.settings import Settings
from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.gaussian import kl_to_standard_normal
from vae_granularity.evaluation.encoding import encode_table, num_images, subset
from vae_granularity.files import open_regular_file, replace_file
from vae_granularity.partition import LatentPartition
from vae_granularity.partitions.grouping import grouping_of
from vae_granularity.runs.checkpoint import check_images
from vae_granularity.runs.identity import images_of, short_digest

BATCH = 256


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes that one model gives the n common images of its data set."""

    run: Any  # index of the run in the table
    data: ImageDataModule  # set up; one for all runs on a data set
    indices: np.ndarray  # (n,) the images
    mu: np.ndarray  # (n, D) posterior means
    kl: np.ndarray  # (D,) mean KL(q(z_d|x) || N(0, 1)), nats; nan for a model without posterior
    partition: LatentPartition | None = None  # the run's last by its config; None: learned


def all_codes(
    table: pd.DataFrame, settings: Settings, failed: dict[str, str], seed: int = 0
) -> Iterator[Codes]:
    """Yield the codes of each run of the table, of `settings.num_codes` images at most.

    Those that folder/codes holds from an earlier pass are read.

    Args:
        failed: takes the directory of a run whose model cannot be read, and why.
        seed: of the draw of the images.
    """
    folder = settings.folder / "codes"
    folder.mkdir(parents=True, exist_ok=True)
    datamodules: dict[str, ImageDataModule] = {}
    for index, row in table.iterrows():
        try:
            run = settings.load_run(str(row["path"]))
            node: Any = OmegaConf.to_container(run.config.dataset, resolve=True)
            # Runs on the same images share one data module, which may take long to set up.
            name = short_digest(images_of(node))
            if name not in datamodules:
                run.datamodule.setup()
                datamodules[name] = run.datamodule
            data = datamodules[name]
            check_images(run.directory, data.fingerprint)
            images = subset(num_images(data), settings.num_codes, seed)
            key = f"{row['mtime_ns']} {settings.num_codes} {seed}"
            file = folder / f"{run.directory.resolve().name}.npz"
            mu, kl = _codes_of(file, key, run.model, data, images)
            model_node: Any = OmegaConf.to_container(run.config.model, resolve=True)
            grouping = grouping_of(model_node)
            learned = grouping.regrouping is not None
            partition = None if learned else grouping.at(int(row["run.steps"]))
            yield Codes(index, data, images, mu, kl, partition)
        # A damaged run, or one of another version, must not end the analysis.
        except Exception as error:
            # Runs that fail for one reason are told together, so it must not name each.
            failed[str(row["path"])] = first_line(error).replace(str(row["path"]), "it")


def _codes_of(
    file: Path, key: str, model: Any, data: ImageDataModule, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return means (n, D) and mean KL (D,) of the images, those of an earlier pass if they fit."""
    shape = (len(images), model.latent_dim)
    stored = _stored_codes(file, key, shape)
    if stored is not None:
        return stored
    table = encode_table(model, data, images, BATCH)
    mu = table.mu.numpy()
    kl = np.full(mu.shape[1], np.nan)
    if model.stochastic:
        kl = kl_to_standard_normal(table.mu, table.logvar).mean(0).numpy()
    with replace_file(file) as whole:
        np.savez(whole, mu=mu, kl=kl, key=key)
    return mu, kl


def _stored_codes(
    file: Path, key: str, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the codes that a file holds under a key, or None where they are to be made again.

    The file may be damaged, or be of an earlier pass or of somebody else: codes of another shape or
    kind, and codes that are not finite, are not used.
    """
    try:
        with open_regular_file(file) as whole, np.load(whole, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            mu = stored["mu"]
            kl = stored["kl"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
        return None
    if mu.shape != shape or kl.shape != shape[1:]:
        return None
    if mu.dtype.kind != "f" or kl.dtype.kind != "f" or not np.isfinite(mu).all():
        return None
    return mu, kl
