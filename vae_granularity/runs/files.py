"""Files that are whole or not there at all, whoever is killed and whatever disk is full."""

import io
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vae_granularity.data.files.plain import read_plain
from vae_granularity.errors import DataError

PART = ".part"  # ends the name of what is being written
MAX_CONFIG_BYTES = 1 << 20


@contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; what is there at the end is synced and moved to `path`.

    On the same disk: elsewhere, in TMPDIR say, the move would be a copy that can be cut off.

    Args:
        shared: several may write this file at once: each to a name of its own, the last one stays.
            Else what a killed process has left is overwritten by the next.
    """
    own = f".{uuid.uuid4().hex[:8]}" if shared else ""
    temporary = path.with_name(path.name + own + PART)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, text: str, *, shared: bool = False) -> None:
    """The whole text or nothing; `shared` as `replacing` has it."""
    with replacing(path, shared=shared) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it is not there, or no file: a folder, a pipe, a device.
        ValueError: it is damaged.
    """
    try:
        return json.loads(read_plain(path))
    except RecursionError as error:
        raise ValueError("its lists lie in one another too deeply") from error


def set_aside(path: Path) -> Path:
    """Rename what cannot be read to NAME.damaged, so that nothing of it is overwritten."""
    aside = path.with_name(path.name + ".damaged")
    os.replace(path, aside)
    return aside


def load_config(path: Path) -> Any:
    """A config from a YAML file, as this program writes it: without aliases.

    Raises:
        DataError: it cannot be read, is no config, or could unpack to anything (a bomb).
    """
    try:
        if not path.is_file() or path.stat().st_size > MAX_CONFIG_BYTES:
            raise DataError(f"{path} is no file of at most {MAX_CONFIG_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise DataError(f"{path} refers to parts of itself by aliases; it is refused")
        return OmegaConf.load(io.StringIO(text))
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
