"""Read back the history that offline W&B runs have written to their .wandb files.

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

# Bytes of a block, of the header of a record, and of the identity that begins the file.
BLOCK = 32768
HEADER = 7
IDENTITY = 7
# Kinds of a record: whole, or the last fragment of one.
LAST_KINDS = (1, 4)
STEP = "trainer/global_step"
MESSAGES: Any = import_module("wandb.proto.wandb_internal_pb2")


def records(path: Path) -> Iterator[Any]:
    """Yield the whole records of a .wandb file, up to where a kill has cut it off."""
    data = path.read_bytes()
    offset = IDENTITY
    message = b""
    while offset + HEADER <= len(data):
        remaining = BLOCK - offset % BLOCK
        if remaining < HEADER:  # no header fits in the rest of a block: it is padding
            offset += remaining
            continue
        _, length, kind = struct.unpack_from("<IHB", data, offset)
        if offset + HEADER + length > len(data):
            return
        message += data[offset + HEADER : offset + HEADER + length]
        offset += HEADER + length
        if kind in LAST_KINDS:
            try:
                yield MESSAGES.Record.FromString(message)
            except DecodeError:
                return
            message = b""


def history_row(record: Any) -> dict[str, Any]:
    """Return a row of the history by key; keys of nested values are joined by slashes."""
    items = record.history.item
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


@dataclass
class Logged:
    """Keys by step that the earlier folders of a run hold, and the number of their rows."""

    keys: dict[Any, set[str]] = field(default_factory=dict)
    rows: int = 0


def logged_before(folder: Path) -> Logged:
    """Return the entries that all offline runs of a run directory's `wandb` folder hold."""
    logged = Logged()
    for path in sorted(folder.glob("offline-run-*/*.wandb")):
        for record in records(path):
            if record.WhichOneof("record_type") == "history":
                row = history_row(record)
                keys = logged.keys.setdefault(row.get(STEP), set())
                # A picture is a value of several parts: `figures/traversals/path`.
                keys.update(row)
                keys.update(key.rpartition("/")[0] for key in row)
                logged.rows = max(logged.rows, 1 + int(row.get("_step", 0)))
    return logged
