"""What the best run of each granularity does to an image: its traversal pictures, small enough to
embed.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vae_granularity.analysis.page.labels import name_of, number, value_label, with_unit

FIGURES = ("traversals", "group_traversals")
MAX_WIDTH, MAX_GRANULARITIES, QUALITY = 900, 10, 72


@dataclass(frozen=True)
class BestRun:
    """The run of the best value among those of one granularity."""

    granularity: str
    name: str
    directory: Path
    value: str
    parameters: str


def best_runs(
    table: pd.DataFrame, parameters: list[str], value: str, *, maximise: bool = True
) -> list[BestRun]:
    """The best run of each value of `model.granularity`, ascending; none where nothing is swept."""
    known = table[table[value].notna()]
    if "model.granularity" not in known or known.empty:
        return []
    groups = known.groupby("model.granularity", observed=True)[value]
    places = groups.idxmax() if maximise else groups.idxmin()
    shown = [name for name in parameters if name != "model.granularity"]
    found = []
    for granularity, place in places.items():
        row = known.loc[place]
        words = ", ".join(
            f"{name_of(name)} = {value_label(name, row[name])}" for name in [*shown, "seed"]
        )
        found.append(
            BestRun(
                value_label("model.granularity", granularity),
                str(row["run.name"]),
                Path(str(row["path"])),
                f"{with_unit(value)} {number(row[value])}",
                words,
            )
        )
    return found[:MAX_GRANULARITIES]


def missing_figures(run: BestRun) -> bool:
    """Whether the run has no traversals yet but the checkpoint to draw them from."""
    return not (run.directory / "figures" / "traversals.png").is_file() and any(
        (run.directory / "checkpoints").glob("*.ckpt")
    )


def draw_figures(run: BestRun) -> None:
    """Draw the pictures of a run's model into its directory, as its training would have."""
    from vae_granularity.evaluation.figures import model_figures, run_title, save_figures
    from vae_granularity.runs.build import create
    from vae_granularity.runs.reading import load_run

    loaded = load_run(run.directory)
    loaded.datamodule.setup()
    protocol = create(loaded.config.evaluation)
    title = run_title(loaded.model, loaded.datamodule, int(loaded.results["run"]["steps"]))
    save_figures(
        model_figures(loaded.model, loaded.datamodule, protocol, title), run.directory / "figures"
    )


def embedded(run: BestRun) -> dict[str, str]:
    """Figure to data URI (WebP), for those that exist."""
    return {
        name: data_uri(file)
        for name in FIGURES
        if (file := run.directory / "figures" / f"{name}.png").is_file()
    }


def data_uri(file: Path) -> str:
    """A picture, at most `MAX_WIDTH` pixels wide, as a data URI."""
    from PIL import Image

    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    if picture.width > MAX_WIDTH:
        picture = picture.resize(
            (MAX_WIDTH, round(picture.height * MAX_WIDTH / picture.width)), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
