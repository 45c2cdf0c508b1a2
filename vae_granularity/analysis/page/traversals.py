"""Embed the traversals of the best run of each granularity, drawn first where they are missing."""

import base64
import io
from pathlib import Path
from typing import Any

from vae_granularity.analysis.labels import (
    first_line,
    number,
    settings_label,
    value_label,
    with_unit,
)
from vae_granularity.analysis.page.charts import GAMMA
from vae_granularity.analysis.pipeline import Analysis
from vae_granularity.analysis.settings import Settings
from vae_granularity.files import open_regular_file
from vae_granularity.runs.status import only_writer

FIGURES = ("traversals", "group_traversals", "reconstructions")
MAX_WIDTH = 900  # pixels
MAX_GRANULARITIES = 10
QUALITY = 72  # of WebP
LOCK_SECONDS = 60  # to wait for another analysis that draws the same pictures


def best_traversals(analysis: Analysis) -> tuple[list[dict[str, Any]], list[str]]:
    """Return pictures of the best run of each γ, ascending, and notes on those that are missing."""
    value = analysis.settings.value
    measured = analysis.table[analysis.table[value].notna()]
    if GAMMA not in measured or measured.empty:
        return [], []
    groups = measured.groupby(GAMMA, observed=True)[value]
    best = groups.idxmax() if analysis.settings.maximise else groups.idxmin()
    parameters = [*(name for name in analysis.parameters if name != GAMMA), "seed"]
    traversals = []
    notes = []
    for granularity, index in list(best.items())[:MAX_GRANULARITIES]:
        run = measured.loc[index]
        reason = "it has neither figures nor a checkpoint"
        try:
            images = _pictures(Path(str(run["path"])), analysis.settings)
        except Exception as error:  # a damaged run, or one of another version
            images = {}
            reason = first_line(error)
        if not images:
            notes.append(f"no traversals of {run['run.name']}: {reason}")
            continue
        traversals.append(
            {
                "granularity": value_label(GAMMA, granularity),
                "name": str(run["run.name"]),
                "path": str(run["path"]),
                "value": f"{with_unit(value)} {number(run[value])}",
                "parameters": settings_label(run[parameters].to_dict()),
                "images": images,
            }
        )
    return traversals, notes


def _pictures(directory: Path, settings: Settings) -> dict[str, str]:
    """Return the figures of a run as data URIs by name; drawn first where only a checkpoint is."""
    folder = directory / "figures"
    checkpoints = any((directory / "checkpoints").glob("*.ckpt"))
    files = {name: folder / f"{name}.png" for name in FIGURES}

    def are_drawn() -> bool:
        return files["traversals"].is_file() and all(map(_is_readable, files.values()))

    if checkpoints and not are_drawn():
        with only_writer(directory, patience=LOCK_SECONDS):
            if not are_drawn():
                _draw(directory, settings)
    return {name: data_uri(file) for name, file in files.items() if file.is_file()}


def _is_readable(file: Path) -> bool:
    """Return whether a picture can be read, or is missing; one that was cut off is drawn again."""
    from PIL import Image

    try:
        with open_regular_file(file) as opened, Image.open(opened, formats=("PNG",)) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        return isinstance(error, FileNotFoundError)
    return True


def _draw(directory: Path, settings: Settings) -> None:
    """Draw the pictures of a run's model into its directory, as its training would have."""
    from vae_granularity.evaluation.figures import draw_model
    from vae_granularity.runs.build import create
    from vae_granularity.runs.trust import check_links

    check_links(directory, written=("figures", ".lock"))
    run = settings.load_run(directory)
    run.datamodule.setup()
    steps = int(run.results["run"]["steps"])
    draw_model(run.model, run.datamodule, create(run.config.evaluation), steps, directory)


def data_uri(file: Path) -> str:
    """Return a picture, at most `MAX_WIDTH` pixels wide, as a data URI (WebP)."""
    from PIL import Image

    with open_regular_file(file) as opened, Image.open(opened, formats=("PNG",)) as whole:
        picture = whole.convert("RGB")
    if picture.width > MAX_WIDTH:
        height = round(picture.height * MAX_WIDTH / picture.width)
        picture = picture.resize((MAX_WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
