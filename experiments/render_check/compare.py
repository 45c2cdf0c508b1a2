"""Rendered images beside real ones: four sheets and numbers.json, written next to this file. See
README.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from vae_granularity.data.render import cars3d, dsprites, mpi3d, shapes3d

HERE = Path(__file__).parent
DATA = HERE.parents[1] / ".." / "shared" / "data"
RENDERERS = (dsprites, shapes3d, mpi3d, cars3d)
SHAPES = ("cube", "cylinder", "sphere", "capsule")


def compare_dsprites() -> dict[str, float]:
    """Intersection over union with the 432 real sprites; the sheet shows real, rendered, and what
    differs.
    """
    sample = np.load(DATA / "dsprites" / "dsprites_real_432.npz", allow_pickle=False)
    real, rendered = sample["imgs"], dsprites.render(sample["latents_classes"])[..., 0]
    overlap = (real & rendered).sum((1, 2)) / (real | rendered).sum((1, 2))
    wrong = (real != rendered).sum((1, 2))
    shown = np.concatenate(
        [np.arange(8), np.argsort(wrong)[-6:]]
    )  # eight with official labels, the six worst
    rows = [
        np.repeat(255 * images[shown, ..., None], 3, axis=-1)
        for images in (real, rendered, real ^ rendered)
    ]
    save("dsprites.png", rows)
    return {
        "mean_iou": overlap.mean(),
        "exact": int((wrong == 0).sum()),
        "images": len(real),
        "most_wrong_pixels": int(wrong.max()),
    }


def compare_shapes3d() -> dict[str, float]:
    """Mean absolute error over the inner 62 x 62 pixels; a frame of unknown scale takes the best of
    the eight.
    """
    sample = np.load(DATA / "shapes3d" / "shapes3d_real_50.npz", allow_pickle=False)
    real, labels = sample["images"], sample["label_indices_inferred"]
    best, errors = [], []
    for image, row in zip(real, labels, strict=True):
        candidates = np.repeat(row[None], 8 if row[3] < 0 else 1, axis=0)
        candidates[:, 3] = np.arange(8) if row[3] < 0 else row[3]
        rendered = shapes3d.render(candidates)
        error = np.abs(rendered.astype(int) - image)[:, 1:-1, 1:-1].mean((1, 2, 3))
        best.append(rendered[error.argmin()])
        errors.append(error.min())
    save(
        "shapes3d.png",
        [
            row
            for start in (0, 14, 28)
            for row in (real[start : start + 14], np.array(best[start : start + 14]))
        ],
    )
    by_shape = {
        f"mae_{name}": np.mean([e for e, row in zip(errors, labels, strict=True) if row[4] == k])
        for k, name in enumerate(SHAPES)
    }
    return {"mae": np.mean(errors), "mae_worst": np.max(errors), "images": len(real)} | by_shape


def show_mpi3d() -> None:
    """Traversals from the videos above traversals drawn here, for each look; the other factors of
    the videos are not known.
    """
    traversed = ("object_shape", "camera_height", "horizontal_axis", "vertical_axis")
    rows = []
    for look in ("toy", "realistic", "real"):
        video = np.load(DATA / "mpi3d" / f"mpi3d_{look}_gif_frames.npz", allow_pickle=False)[
            "images"
        ][0]
        for factor in traversed:
            column = mpi3d.FACTORS.names.index(factor)
            rows.append(video[column, np.linspace(0, 19, 12).astype(int)])
            factors = np.repeat([[2, 1, 1, 1, 0, 12, 18]], 12, axis=0)
            factors[:, column] = np.linspace(0, mpi3d.FACTORS.sizes[column] - 1, 12).astype(int)
            rows.append(mpi3d.render(factors, look))
    save("mpi3d.png", rows)


def show_cars3d() -> None:
    """There are no real cars to compare with: types, and turns of one car at each elevation."""
    kinds = np.arange(4 * 14)
    types = cars3d.render(
        np.stack([0 * kinds + 1, 0 * kinds + 3, kinds * 183 // 56], axis=1)
    ).reshape(4, 14, 64, 64, 3)
    turns = np.stack(
        [np.repeat(np.arange(4), 14), np.tile(np.arange(14) * 24 // 14, 4), np.full(56, 20)], axis=1
    )
    save("cars3d.png", [*types, *cars3d.render(turns).reshape(4, 14, 64, 64, 3)])


def milliseconds_per_batch(
    render: Callable[[np.ndarray], np.ndarray], sizes: tuple[int, ...]
) -> dict[str, float]:
    """Processor time of 30 batches of 64 random factors, median: drawn for the first time, and
    again with the geometry that is kept.
    """
    rng = np.random.default_rng(0)
    batches = [np.stack([rng.integers(0, size, 64) for size in sizes], axis=1) for _ in range(30)]
    medians = {}
    for which in ("first", "again"):
        spent = []
        for factors in batches:
            start = time.process_time()
            render(factors)
            spent.append(time.process_time() - start)
        medians[f"milliseconds_per_batch_of_64_{which}"] = 1e3 * float(np.median(spent))
    return medians


def save(name: str, rows: list[np.ndarray]) -> None:
    """A sheet of rows of 64 x 64 images."""
    Image.fromarray(
        np.concatenate([np.concatenate(list(row), axis=1) for row in rows]).astype(np.uint8)
    ).save(HERE / name, optimize=True)


def main() -> None:
    times = {
        module.__name__.rsplit(".", 1)[1]: milliseconds_per_batch(
            module.render, module.FACTORS.sizes
        )
        for module in RENDERERS
    }
    numbers = times | {
        "dsprites": compare_dsprites() | times["dsprites"],
        "shapes3d": compare_shapes3d() | times["shapes3d"],
    }
    show_mpi3d()
    show_cars3d()
    rounded = {
        name: {key: round(float(value), 4) for key, value in entry.items()}
        for name, entry in numbers.items()
    }
    (HERE / "numbers.json").write_text(json.dumps(rounded, indent=2) + "\n")
    print(json.dumps(rounded, indent=2))


if __name__ == "__main__":
    main()
