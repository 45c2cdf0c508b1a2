"""A run directory read back: its model with the last weights, its data and its results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_granularity.data.base import ImageDataModule
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build
from vae_granularity.runs.checkpoint import load_weights
from vae_granularity.runs.status import is_done
from vae_granularity.runs.table import read_results
from vae_granularity.runs.trust import Trust, read_config
from vae_granularity.runs.types import check_types


@dataclass(frozen=True)
class Run:
    """A run read back: `model` in evaluation mode, `datamodule` not set up, `results` or {}."""

    directory: Path
    config: Any
    model: LatentModel
    datamodule: ImageDataModule
    results: dict[str, Any]


def load_run(
    directory: str | Path,
    trust: Trust = (),
    *,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Run:
    """Read a finished or interrupted run directory, which someone else may have written.

    Args:
        trust: your own packages that the run was built from; it calls nothing else that is not of
            this package (docs/trust.md).
        data_dir: where its official files lie or are downloaded to, in place of the folder that its
            config names, from which they are only read.
        cache_dir: where its images are converted to, in place of the folder that its config names,
            which is used if images were converted to it before.

    Raises:
        DataError: the directory is no run directory, names code that is not trusted, or has no
            readable checkpoint.
    """
    directory = Path(directory)
    config = read_config(directory, trust)
    places = {"data_dir": data_dir, "cache_dir": cache_dir}
    named = {key: str(path) for key, path in places.items() if path is not None}
    config.dataset.update(named)
    check_types(config)
    model, data = build(config)
    data.reads_only = tuple(key for key in places if key not in named)
    results = read_results(directory) if is_done(directory) else {}
    load_weights(model, directory, results["run"].get("steps") if results else None)
    return Run(directory, config, model.eval(), data, results)
