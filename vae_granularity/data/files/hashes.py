"""Published hashes: a download must have them; of a file that the user placed they say whether it
is verified.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from vae_granularity.data.files.declaration import RemoteFile
from vae_granularity.errors import DataError


def digest(path: Path, algorithm: str, *, of_content: bool = False) -> str:
    """Hex digest of a file or, if `of_content`, of the bytes inside a gzip (a file that is no gzip
    counts as it is).
    """
    with path.open("rb") as raw:
        zipped = of_content and raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not zipped:
            return hashlib.file_digest(raw, algorithm).hexdigest()
        with gzip.open(raw) as content:
            return hashlib.file_digest(content, algorithm).hexdigest()  # type: ignore[arg-type]  # typeshed asks for more than a GzipFile has; reading is enough


def verify(files: tuple[RemoteFile, ...], paths: dict[str, Path]) -> bool:
    """Whether every file has its published hash. A folder, or a file for which none is published,
    has no known hash.

    Raises:
        DataError: a file is known to be another one.
    """
    verified = True
    for file in files:
        path, expected = paths[file.name], file.digest
        if expected is None or path.is_dir():
            verified = False
            continue
        found = digest(path, expected[0], of_content=file.hash_of_content)
        if found in dict(file.impostors):
            raise DataError(
                f"{path} is {dict(file.impostors)[found]} under the name of {file.name}"
            )
        verified &= found == expected[1]
    return verified
