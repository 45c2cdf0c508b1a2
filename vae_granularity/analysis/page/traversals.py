"""What the best run of each granularity does to an image: its traversals, small enough to embed."""

import base64
import io
from pathlib import Path
from typing import Any

from vae_granularity.analysis.page import labels
from vae_granularity.analysis.pipeline import Analysis
from vae_granularity.analysis.settings import Settings
from vae_granularity.files import open_regular_file
from vae_granularity.runs.status import only_writer

FIGURES = ("traversals", "group_traversals", "reconstructions")
MAX_WIDTH, MAX_GRANULARITIES, QUALITY = 900, 10, 72


def best_traversals(analysis: Analysis) -> tuple[list[dict[str, Any]], list[str]]:
    """Pictures of the best run of each γ, ascending, and notes on those that are missing."""
    value, gamma = analysis.settings.value, "model.granularity"
    known = analysis.table[analysis.table[value].notna()]
    if gamma not in known or known.empty:
        return [], []
    groups = known.groupby(gamma, observed=True)[value]
    places = groups.idxmax() if analysis.settings.maximise else groups.idxmin()
    told = [*(name for name in analysis.parameters if name != gamma), "seed"]
    shown, missing = [], []
    for granularity, place in list(places.items())[:MAX_GRANULARITIES]:
        run, why = known.loc[place], "it has neither figures nor a checkpoint"
        try:
            images = _pictures(Path(str(run["path"])), analysis.settings)
        except Exception as error:  # a damaged run, or one of another version
            images, why = {}, labels.first_line(error)
        if not images:
            missing.append(f"no traversals of {run['run.name']}: {why}")
            continue
        shown.append(
            {
                "granularity": labels.value_label(gamma, granularity),
                "name": str(run["run.name"]),
                "path": str(run["path"]),
                "value": f"{labels.with_unit(value)} {labels.number(run[value])}",
                "parameters": labels.settings_label(run[told].to_dict()),
                "images": images,
            }
        )
    return shown, missing


def _pictures(directory: Path, settings: Settings) -> dict[str, str]:
    """Figure to data URI, for those that exist; drawn first where there is only a checkpoint."""
    folder = directory / "figures"
    checkpoints = any((directory / "checkpoints").glob("*.ckpt"))
    files = {name: folder / f"{name}.png" for name in FIGURES}

    def are_drawn() -> bool:
        return files["traversals"].is_file() and all(map(_is_whole, files.values()))

    if checkpoints and not are_drawn():
        with only_writer(directory, patience=60):  # another analysis may be drawing them
            if not are_drawn():
                _draw(directory, settings)
    return {name: data_uri(file) for name, file in files.items() if file.is_file()}


def _is_whole(file: Path) -> bool:
    """Whether a picture can be read, or is not there; one that was cut off is drawn again."""
    from PIL import Image

    try:
        with open_regular_file(file) as opened, Image.open(opened, formats=("PNG",)) as picture:
            picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        return isinstance(error, FileNotFoundError)
    return True


def _draw(directory: Path, settings: Settings) -> None:
    """Draw the pictures of a run's model into its directory, as its training would have."""
    from vae_granularity.evaluation.figures import model_figures, run_title, save_figures
    from vae_granularity.runs.build import create
    from vae_granularity.runs.trust import check_links

    check_links(directory, written=("figures", ".lock"))
    run = settings.load_run(directory)
    run.datamodule.setup()
    title = run_title(run.model, run.datamodule, int(run.results["run"]["steps"]))
    figures = model_figures(run.model, run.datamodule, create(run.config.evaluation), title)
    save_figures(figures, directory / "figures")


def data_uri(file: Path) -> str:
    """A picture, at most `MAX_WIDTH` pixels wide, as a data URI (WebP)."""
    from PIL import Image

    with open_regular_file(file) as opened, Image.open(opened, formats=("PNG",)) as whole:
        picture = whole.convert("RGB")
    if picture.width > MAX_WIDTH:
        height = round(picture.height * MAX_WIDTH / picture.width)
        picture = picture.resize((MAX_WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
