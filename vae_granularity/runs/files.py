"""Files that are whole or not there at all, whoever is killed and whatever disk is full."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"  # ends the name of what is being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; what is there at the end is synced and moved to `path`.

    On the same disk: elsewhere, in TMPDIR say, the move would be a copy that can be cut off.
    """
    temporary = path.with_name(path.name + PART)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, text: str) -> None:
    """The whole text or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text)


def set_aside(path: Path) -> Path:
    """Rename what cannot be read to NAME.damaged, so that nothing of it is overwritten."""
    aside = path.with_name(path.name + ".damaged")
    os.replace(path, aside)
    return aside
