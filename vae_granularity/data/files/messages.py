"""The words a user reads when the official files are not there."""

from __future__ import annotations

from pathlib import Path

from vae_granularity.data.files.declaration import DatasetCard, RemoteFile


def other_ways(card: DatasetCard, asked: str) -> str:
    """The sources that remain when the one asked for cannot be had, as one sentence."""
    ways = {
        "official": f"source=official (put {', '.join(file.name for file in card.files)} from {card.homepage} into dataset.data_dir)",
        "rendered": "source=rendered (look-alike images, drawn here)"
        if card.renderer
        else f"no source=rendered: nothing draws {card.name}",
        "hub": f"source=hub (`{card.hub.id}`, needs a network)"
        if card.hub.id
        else f"source=hub with your own folder in dataset.hub_id: {no_hub(card)}",
    }
    return "Other ways: " + "; ".join(way for source, way in ways.items() if source != asked) + "."


def no_hub(card: DatasetCard) -> str:
    """Why there is no hub id, and what a folder of one's own must hold."""
    columns = [card.hub.image, *(label for label in card.hub.labels if label)]
    return f"no parquet copy of {card.name} is known; the columns are {', '.join(columns)}"


def missing_message(
    card: DatasetCard, missing: list[RemoteFile], data_dir: Path, reason: str
) -> str:
    """One message: which files, where to get them, where they were looked for, and the other
    ways.
    """
    state = "" if data_dir.is_dir() else " (which does not exist)"
    wanted = "\n".join(
        f"  {file.name}  from  {file.urls[0] if file.urls else card.homepage}" for file in missing
    )
    return (
        f"{card.name}: official files are missing in dataset.data_dir={data_dir}{state} and could not be downloaded ({reason}):\n{wanted}\n"
        f"Put them there or into {data_dir / card.name}. {other_ways(card, 'official')}"
    )


def rendered_warning(card: DatasetCard, reason: str) -> str:
    """The framed text shown when `auto` falls back to rendered images."""
    lines = [
        f"{card.name.upper()}: THE OFFICIAL DATA ARE NOT HERE. USING RENDERED IMAGES.",
        "They only look like the data set. Every place that shows this run says `rendered`.",
        f"Why: {reason}",
        f"For the real data: put {', '.join(file.name for file in card.files)} (from {card.homepage}) into dataset.data_dir.",
    ]
    width = max(map(len, lines))
    frame = "!" * (width + 6)
    return "\n".join(["", frame, *(f"!! {line:<{width}} !!" for line in lines), frame])
