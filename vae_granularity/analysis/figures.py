"""The figures as files for a paper: PDF, and PNG to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vae_granularity.analysis.page.labels import name_of, value_label, with_unit
from vae_granularity.analysis.slice_result import Reading, SliceResult
from vae_granularity.viz.surfaces import surface_figure, trajectory_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150


def save(results: Sequence[SliceResult], folder: Path, source: str) -> list[Path]:
    """`surface_<n>`, `trajectory_<n>_forward` and `…_backward` as PDF and PNG; what was there is
    replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, result in enumerate(results):
        named = {f"surface_{number}": _surface(result, source)}
        for way, reading in zip(("forward", "backward"), result.readings, strict=True):
            named[f"trajectory_{number}_{way}"] = _trajectory(reading, result.part.title, source)
        for name, figure in named.items():
            for suffix in ("pdf", "png"):
                written.append(folder / f"{name}.{suffix}")
                # No date in the file: the same runs give the same bytes.
                figure.savefig(
                    written[-1],
                    dpi=DPI,
                    metadata={"CreationDate": None} if suffix == "pdf" else None,
                )
    return written


def _surface(result: SliceResult, source: str) -> Figure:
    surface = result.surface
    forward, backward = result.forward.trajectory, result.backward.trajectory
    optima = (
        list(zip(forward.rows.tolist(), forward.best.tolist(), strict=True)),
        list(zip(backward.best.tolist(), backward.rows.tolist(), strict=True)),
    )
    title = ", ".join(part for part in (source, result.part.title) if part)
    names = (with_unit(surface.x_name), with_unit(surface.y_name), with_unit(surface.value_name))
    return surface_figure(surface.mean, _ticks(result.forward), names, optima, title)


def _trajectory(reading: Reading, held: str, source: str) -> Figure:
    trajectory, verdict = reading.trajectory, reading.verdict
    surface = trajectory.surface
    fit = (
        None
        if verdict.curve is None
        else (verdict.places, verdict.curve.fitted, verdict.curve.shape)
    )
    title = f"{source}{', ' + held if held else ''}. {verdict.sentence}"
    names = (with_unit(surface.x_name), f"best {name_of(surface.y_name)}")
    return trajectory_figure(
        trajectory.rows, trajectory.best, trajectory.draws, fit, _ticks(reading), names, title
    )


def _ticks(reading: Reading) -> tuple[list[str], list[str]]:
    surface = reading.trajectory.surface
    return [value_label(surface.x_name, v) for v in surface.x], [
        value_label(surface.y_name, v) for v in surface.y
    ]
