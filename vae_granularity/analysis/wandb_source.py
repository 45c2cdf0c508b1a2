"""Runs of a W&B project as the same table: config and last values of its finished runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from vae_granularity.analysis.collect import Collected
from vae_granularity.analysis.columns import Columns
from vae_granularity.analysis.row import row_of
from vae_granularity.errors import DataError
from vae_granularity.runs.protocol import VERSION, version_of

PROTOCOL = (
    "num_images",
    "num_components",
    "num_samples",
    "num_codes",
    "num_test_codes",
)  # what changes numbers, in config.evaluation


class Api(Protocol):
    """The one method of `wandb.Api` that is used."""

    def runs(self, path: str) -> Iterable[Any]: ...


def collect_wandb(project: str, api: Api | None = None) -> Collected:
    """The finished runs of `entity/project`; others count as unfinished, those that are not ours as
    broken.

    W&B holds no protocol: its version and the sizes in the run's config stand for it. The size of the split is not
    known there, its fraction is.

    Raises:
        DataError: W&B cannot be reached, or has no such project.
    """
    columns, broken, unfinished = Columns(), {}, []
    for run in _runs(project, api):
        url = str(run.url)
        if run.state != "finished":
            unfinished.append(url)
            continue
        try:
            row = row_of(_results(run))
        except DataError as error:
            broken[url] = str(error)
            continue
        columns.add({"path": url, "mtime_ns": "", "size": 0.0, **row})
    return Collected(columns.frame(), broken, tuple(unfinished))


def _runs(project: str, api: Api | None) -> list[Any]:
    import wandb

    try:
        return list((wandb.Api() if api is None else api).runs(project))
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise DataError(f"wandb={project} cannot be read: {error}") from error


def _results(run: Any) -> dict[str, Any]:
    """What results.json of the run would hold."""
    config: Mapping[str, Any] = run.config
    summary = {
        key: value
        for key, value in dict(run.summary).items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    try:
        dataset, evaluation = config["dataset"], config["evaluation"]
        name = str(dataset["_target_"]).split(".")[-2]
        model = str(config["model"]["_target_"]).split(".")[-2]
        return {
            "run": {
                "name": run.name,
                "model": model,
                "dataset": name,
                "steps": config["trainer"]["max_steps"],
                "seconds": summary.get("_runtime"),
            },
            "config": dict(config),
            "data": {
                "name": name,
                "source": dataset["source"],
                "val_fraction": dataset["val_fraction"],
            },
            "terms": {
                key: value for key, value in summary.items() if key.startswith(("val/", "test/"))
            },
            "scores": {
                key.removeprefix("scores/"): value
                for key, value in summary.items()
                if key.startswith("scores/")
            },
            "protocol": {VERSION: version_of(config)} | {key: evaluation[key] for key in PROTOCOL},
            "versions": {},
        }
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"is no run of this program: its config has no {error}") from error
