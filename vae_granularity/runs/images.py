"""The images of a run: recorded when it begins, compared whenever it goes on or is measured."""

from collections.abc import Mapping
from pathlib import Path

from vae_granularity.errors import ResourceError
from vae_granularity.files import read_json, write_json
from vae_granularity.runs.identity import checkpoints

RECORD = "images.json"


def record_images(directory: Path, found: Mapping[str, str]) -> None:
    """Record the images that the run trains on; those of a run that has begun are compared.

    Args:
        found: hash of each file of the converted images, as the data module's `fingerprint`.

    Raises:
        ResourceError: the run has begun with others.
    """
    if checkpoints(directory):
        check_images(directory, found)
    if found and _recorded(directory) != found:
        write_json(directory / RECORD, found)


def check_images(directory: Path, found: Mapping[str, str]) -> None:
    """Refuse images other than those that the run was trained on, where these are recorded.

    Raises:
        ResourceError: names what differs.
    """
    known = _recorded(directory)
    # A name that the record lacks is an image source that an older version did not record, or read
    # in another way. A record that is missing or damaged says nothing.
    names = known | dict(found) if known else {}
    differing = [name for name in names if known.get(name) != found.get(name)]
    if differing:
        raise ResourceError(
            f"{directory} was trained on other images: {', '.join(differing)} of its data set "
            f"have changed since it began ({RECORD}). Put the former files back, or remove the "
            "directory to train anew"
        )


def _recorded(directory: Path) -> dict[str, str]:
    try:
        known = read_json(directory / RECORD)
    except (OSError, ValueError):  # none, or a damaged one
        return {}
    return known if isinstance(known, dict) else {}
