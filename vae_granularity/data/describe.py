"""The card of a dataset as text: what it holds, under which licence, where it is, what of it is
real.
"""

from __future__ import annotations

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.grid import FactorGridDataModule

REAL = {
    "auto": "the official files are not here, and nothing draws look-alikes; `prepare` fetches them",
    "official": "the official images",
    "hub": "a copy on the Hugging Face hub of the official images; no hash is published for it",
    "rendered": "NOT REAL: look-alike images drawn here",
    "synthetic": "generated; that is the data set",
}


def describe(data: ImageDataModule) -> str:
    """The card of a data module after `resolve`."""
    card = data.card
    lines = [
        ("dataset", data.title),
        ("images", f"{'x'.join(map(str, data.image_shape))}, {_numbers(data)}"),
        *_labels(data),
        ("licence", card.licence),
        ("cite", card.citation),
        ("home", card.homepage),
        (
            "source",
            f"{data.source}: {REAL[data.source] if data.files or data.source != 'official' else REAL['auto']}",
        ),
        (
            "verified",
            {
                True: "yes: the published hashes",
                False: "no: a file's hash is not the published one",
                None: "no hash to compare",
            }[data.verified],
        ),
        *((f"file {name}", str(path)) for name, path in data.files.items()),
        ("cache", str(data.cache_directory or "none needed")),
    ]
    return "\n".join(f"{name:<22} {text}" for name, text in lines if text)


def _numbers(data: ImageDataModule) -> str:
    parts = data.parts
    return (
        f"{sum(parts.values()):,} ({', '.join(f'{part} {count:,}' for part, count in parts.items())})"
        if parts
        else "number known after `prepare`"
    )


def _labels(data: ImageDataModule) -> list[tuple[str, str]]:
    space = data.factor_space
    if space is None:
        return [("labels", ", ".join(data.label_names))]
    factors = ", ".join(
        f"{name} {size}" for name, size in zip(space.names, space.sizes, strict=True)
    )
    found = [("factors", factors), ("constant factors", ", ".join(space.constant))]
    twins = data.duplicate_of_training() if isinstance(data, FactorGridDataModule) else None
    if twins is not None:
        share = f"{100 * twins['share']:.2f} % of the validation images have a twin in training"
        found.append(("twins", f"{twins['reason']}: {share}"))
    return found
