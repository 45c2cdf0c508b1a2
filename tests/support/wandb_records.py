"""Reads an offline W&B run back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from vae_granularity.training.wandb_records import history_row, records


class OfflineRun(NamedTuple):
    """What an offline run holds."""

    id: str
    name: str
    tags: set[str]
    group: str
    config: dict[str, Any]
    history: list[dict[str, Any]]
    finished: bool


def read_offline_run(path: Path, patience: float = 20.0) -> OfflineRun:
    """The finished run in a .wandb file; W&B's service may write the last records a moment after
    `finish` has returned.
    """
    deadline = time.monotonic() + patience
    while (found := _read(path)) is None or not found.finished:
        assert time.monotonic() < deadline, f"{path} holds no finished run"
        time.sleep(0.1)
    return found


def _read(path: Path) -> OfflineRun | None:
    run, history, finished = None, [], False
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
        elif kind == "history":
            history.append(history_row(record))
        finished |= kind == "exit"
    if run is None:
        return None
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    return OfflineRun(
        run.run_id, run.display_name, set(run.tags), run.run_group, config, history, finished
    )
