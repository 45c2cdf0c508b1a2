"""Reads an offline W&B run back: LevelDB's log format with the installed wandb's own protocol
buffers inside.
"""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any, NamedTuple

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER, IDENTITY = 32768, 7, 7


class OfflineRun(NamedTuple):
    """What an offline run holds."""

    id: str
    name: str
    tags: set[str]
    group: str
    config: dict[str, Any]
    history: list[dict[str, Any]]
    finished: bool


def records(path: Path) -> list[Record]:
    """All records of a .wandb file."""
    data, offset, parts, found = path.read_bytes(), IDENTITY, b"", []
    while offset + HEADER <= len(data):
        left = BLOCK - offset % BLOCK
        if left < HEADER:  # no header fits in the rest of a block: it is padding
            offset += left
            continue
        _, length, kind = struct.unpack("<IHB", data[offset : offset + HEADER])
        if offset + HEADER + length > len(data):  # still being written
            break
        parts += data[offset + HEADER : offset + HEADER + length]
        offset += HEADER + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


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
            history.append(
                {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json)
                    for item in record.history.item
                }
            )
        finished |= kind == "exit"
    if run is None:
        return None
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    return OfflineRun(
        run.run_id, run.display_name, set(run.tags), run.run_group, config, history, finished
    )
