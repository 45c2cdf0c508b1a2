"""Draw the figures of an evaluation into a run directory."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from vae_granularity.data.base import ImageDataModule
from vae_granularity.evaluation.metric_figures import metric_figures
from vae_granularity.evaluation.model_figures import (
    animation_frames,
    model_figures,
    run_title,
    training_figure,
    view_model,
)
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.files import replace_file
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.models.base import LatentModel

# Seconds that a frame of an animation stands.
FRAME_SECONDS = 0.1
# A small picture is enlarged to about this height in pixels.
ANIMATION_HEIGHT = 200


def draw_model(
    model: LatentModel,
    data: ImageDataModule,
    protocol: EvaluationProtocol,
    step: int,
    directory: Path,
) -> dict[str, Path]:
    """Draw what a model does and how it was trained into `directory`/figures.

    Returns:
        name and path of each figure.
    """
    title = run_title(model, data, step)
    view = view_model(model, data, protocol, title)
    folder = directory / "figures"
    paths = save_figures(model_figures(view), folder)
    paths |= save_figures(training_figure(directory / "metrics.csv", title), folder)
    if not view.has_vectors:
        save_animation(animation_frames(view), folder / "traversals.gif")
    return paths


def draw_metrics(
    results: Mapping[str, MetricResult],
    protocol: Mapping[str, Any],
    model: LatentModel,
    data: ImageDataModule,
    step: int,
    directory: Path,
) -> dict[str, Path]:
    """Draw what metrics measured into `directory`/figures.

    Returns:
        name and path of each figure.
    """
    title = run_title(model, data, step)
    figures = metric_figures(results, protocol, model.partition, title)
    return save_figures(figures, directory / "figures")


def save_figures(figures: Iterable[tuple[str, Figure]], folder: Path) -> dict[str, Path]:
    """Save every figure in `folder` as PNG, replacing earlier ones.

    Returns:
        name and path of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    # Factors and data sets may have a dollar in their names: they are no formula.
    with rc_context({"text.parse_math": False}):
        for name, figure in figures:
            paths[name] = folder / f"{name}.png"
            with replace_file(paths[name]) as file:
                figure.savefig(file, format="png")
    return paths


def save_animation(frames: list[np.ndarray], path: Path) -> None:
    """Save frames (height, width, 3) in [0, 1] as a GIF that runs for ever."""
    scale = max(1, round(ANIMATION_HEIGHT / frames[0].shape[0]))
    pictures = []
    for frame in frames:
        pixels = np.rint(255 * frame).astype(np.uint8)
        pictures.append(Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as file:
        pictures[0].save(
            file,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=round(1000 * FRAME_SECONDS),
            loop=0,
        )
