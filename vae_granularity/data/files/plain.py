"""Files that others may have put there: pipes and devices, which may never end, are refused.

Opening a pipe waits for whoever writes to it, for good where nobody does.
"""

import errno
import os
import stat
from pathlib import Path
from typing import IO

NO_FILE = "a pipe or a device, which may never end"


def open_plain(path: str | Path) -> IO[bytes]:
    """A file opened for reading its bytes.

    Raises:
        OSError: it is not there, or no file: a folder, a pipe, a device.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, NO_FILE, str(path))
    return open(path, "rb")


def read_plain(path: str | Path) -> bytes:
    """All bytes of a file.

    Raises:
        OSError: it is not there, or no file: a folder, a pipe, a device.
    """
    with open_plain(path) as file:
        return file.read()
