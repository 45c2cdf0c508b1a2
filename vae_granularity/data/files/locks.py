"""Lock files, until the block or the process ends; a disk without locks is named in one line."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from vae_granularity.errors import ResourceError

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(path: Path, timeout: float = -1.0) -> Iterator[None]:
    """Hold the lock of a file.

    Args:
        timeout: seconds to wait for another process; below 0 without end.

    Raises:
        filelock.Timeout: another process holds it.
        ResourceError: the file cannot be locked.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except OSError as error:
        if isinstance(error, TimeoutError):  # filelock's own
            raise
        cause = error.strerror or error
        if error.errno in NO_LOCKS:
            raise ResourceError(
                f"cannot lock {path}: {cause}. Its disk has no file locks: choose a folder on "
                "another one (paths.output_dir, paths.cache_dir, paths.data_dir or out)"
            ) from error
        raise ResourceError(f"cannot write {path}: {cause}") from error
    try:
        yield
    finally:
        lock.release()
