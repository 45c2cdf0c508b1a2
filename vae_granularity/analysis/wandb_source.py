"""Runs of a W&B project as the same table: config and last values of its finished runs."""

from collections.abc import Iterator, Mapping
from typing import Any

from vae_granularity.analysis.runs_table import STATE, Collected, frame_of, row_of
from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.evaluation.request import protocol_of
from vae_granularity.runs.identity import option_name


def collect_wandb(project: str, api: Any = None) -> Collected:
    """The finished runs of `entity/project`; others are unfinished, those not of ours broken.

    W&B holds no protocol: what the run's config asks for stands for it. The size of the split is
    not known there, its fraction is.

    Args:
        api: a `wandb.Api`, of which `runs` is called; None makes one.

    Raises:
        DataError: W&B cannot be reached, or has no such project.
    """
    import wandb
    from wandb.errors import Error

    try:
        found = list((wandb.Api() if api is None else api).runs(project))
    except (Error, ValueError, OSError) as error:
        raise DataError(f"wandb={project} cannot be read: {error}") from error
    broken: dict[str, str] = {}
    unfinished: list[str] = []

    def rows() -> Iterator[dict[str, Any]]:
        for run in found:
            url = str(run.url)
            if run.state != "finished":
                unfinished.append(url)
                continue
            try:
                yield dict(zip(STATE, (url, "", 0, ""), strict=True)) | row_of(_results(run))
            except DataError as error:
                broken[url] = str(error)

    return Collected(frame_of(rows()), broken, unfinished)


def _results(run: Any) -> dict[str, Any]:
    """What results.json of the run would hold."""
    config: Mapping[str, Any] = run.config
    summary = {
        key: value
        for key, value in dict(run.summary).items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    scores = [key for key in summary if key.startswith("scores/")]
    try:
        dataset = config["dataset"]
        name, model = (option_name(config, key) for key in ("dataset", "model"))
        about = {"name": run.name, "model": model, "dataset": name}
        about |= {"steps": config["trainer"]["max_steps"], "seconds": summary.get("_runtime")}
        return {
            "run": about | {"num_parameters": None, "device": None},
            "config": dict(config),
            "data": {key: dataset[key] for key in ("source", "val_fraction")} | {"name": name},
            "terms": {key: summary[key] for key in summary if key.startswith(("val/", "test/"))},
            "scores": {key.removeprefix("scores/"): summary[key] for key in scores},
            "protocol": protocol_of(config),
            "versions": {},
        }
    except (KeyError, TypeError, IndexError, AttributeError, ArgumentError) as error:
        raise DataError(f"is no run of this program: its config has no {error}") from error
