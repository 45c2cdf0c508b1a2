"""The renderings against images of the official sets, from the data kept beside the repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vae_granularity.data.render import dsprites, shapes3d

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def real(relative: str) -> dict[str, np.ndarray]:
    path = DATA / relative
    if not path.exists():
        pytest.skip(f"no real images here: {relative} is not in ../shared/data")
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_dsprites_overlap_the_real_sprites() -> None:
    sample = real("dsprites/dsprites_real_432.npz")
    rendered = dsprites.render(sample["latents_classes"])[..., 0]
    overlap = (rendered & sample["imgs"]).sum((1, 2)) / (rendered | sample["imgs"]).sum((1, 2))
    wrong = (rendered != sample["imgs"]).sum((1, 2))
    assert overlap.mean() >= 0.997
    assert wrong.max() <= 7
    assert (wrong == 0).sum() >= 340


def test_dsprites_with_official_labels_are_exact() -> None:
    sample = real("dsprites/dsprites_real_432.npz")
    official = sample["labels_official"]
    rendered = dsprites.render(sample["latents_classes"][official])[..., 0]
    assert (rendered != sample["imgs"][official]).sum((1, 2)).mean() < 1


def test_shapes3d_is_close_to_the_real_frames() -> None:
    """Mean absolute error over the inner 62 x 62 pixels; a frame whose scale is not known takes the
    best of the 8.
    """
    sample = real("shapes3d/shapes3d_real_50.npz")
    errors = []
    for image, labels in zip(sample["images"], sample["label_indices_inferred"], strict=True):
        scales = np.arange(8) if labels[3] < 0 else labels[3:4]
        candidates = np.repeat(labels[None], len(scales), axis=0)
        candidates[:, 3] = scales
        difference = np.abs(shapes3d.render(candidates).astype(int) - image)[:, 1:-1, 1:-1]
        errors.append(difference.mean((1, 2, 3)).min())
    assert np.mean(errors) < 6.5
    assert np.max(errors) < 12
