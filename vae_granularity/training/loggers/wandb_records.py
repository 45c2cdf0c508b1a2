"""What an offline W&B run has written, read back from its .wandb file.

The file is LevelDB's log (github.com/google/leveldb, doc/log_format.md) of wandb's own messages.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

BLOCK, HEADER, IDENTITY = 32768, 7, 7
STEP = "trainer/global_step"
MESSAGES: Any = import_module("wandb.proto.wandb_internal_pb2")


def records(path: Path) -> Iterator[Any]:
    """The whole records of a .wandb file, up to where a kill has cut it off."""
    data, offset, parts = path.read_bytes(), IDENTITY, b""
    while offset + HEADER <= len(data):
        left = BLOCK - offset % BLOCK
        if left < HEADER:  # no header fits in the rest of a block: it is padding
            offset += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, offset)
        if offset + HEADER + length > len(data):
            return
        parts += data[offset + HEADER : offset + HEADER + length]
        offset += HEADER + length
        if kind in (1, 4):  # a whole record, or the last part of one
            try:
                yield MESSAGES.Record.FromString(parts)
            except DecodeError:
                return
            parts = b""


def history_row(record: Any) -> dict[str, Any]:
    """Key to value of a row of the history; keys of nested values are joined by slashes."""
    items = record.history.item
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@dataclass
class Logged:
    """What the earlier folders of a run hold: which keys of which step, and how many rows."""

    keys: dict[Any, set[str]] = field(default_factory=dict)
    rows: int = 0


def logged_before(folder: Path) -> Logged:
    """What the offline runs of a run directory's `wandb` folder hold together."""
    found = Logged()
    for path in sorted(folder.glob("offline-run-*/*.wandb")):
        for record in records(path):
            if record.WhichOneof("record_type") == "history":
                row = history_row(record)
                keys = found.keys.setdefault(row.get(STEP), set())
                # A picture is a value of several parts: `figures/traversals/path`.
                keys |= {name for key in row for name in (key, key.rpartition("/")[0])}
                found.rows = max(found.rows, 1 + int(row.get("_step", 0)))
    return found
