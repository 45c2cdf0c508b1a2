"""Figures of a model: every part drawn, marks where they belong, vectors as coordinates."""

import csv

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from vae_granularity.evaluation.figures import save_animation, save_figures
from vae_granularity.evaluation.model_figures import explained, starting_rows, training_figure
from vae_granularity.viz import latents, traversals

VALUES = np.linspace(-2, 2, 5)
LABELS = ["z0  KL 2.00", "z1  KL 0.00", "z2  KL 1.00"]
MARKS = {"groups": ((0, 2), (1,)), "start": np.array([-2.0, 0.1, 1.1]), "note": "; inactive: z3"}


def test_a_dollar_in_a_name_is_no_formula(tmp_path):
    """Names of factors and data sets are whatever their owner likes."""

    def drawn():
        figure = Figure()
        figure.subplots().set_xticks([0.0], ["$\\frac{$"])
        figure.suptitle("a $x^$ b")
        yield "x", figure

    assert save_figures(drawn(), tmp_path)["x"].stat().st_size > 1000


def test_rows_stand_by_group_with_the_starting_cell_framed_and_a_note_of_what_is_left_out():
    images = np.zeros((3, 5, 1, 8, 8))
    (axes,) = traversals.dimension_figure(images, VALUES, LABELS, "t", **MARKS).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [LABELS[i] for i in (0, 2, 1)]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["-2", "-1", "0", "1", "2"]
    first, second, third = axes.get_yticks()
    assert second - first == 10, "cells of one group lie side by side"
    assert third - second > 10, "and groups apart"
    columns = [round((frame.get_x() + 1) / 10) for frame in axes.patches]
    assert columns == [0, 3, 2]
    assert axes.get_xlabel().endswith("; inactive: z3")


def test_vectors_are_lines_over_the_latent_value():
    vectors = np.random.default_rng(0).normal(size=(3, 5, 4))
    panels = traversals.dimension_figure(vectors, VALUES, LABELS, "t", **MARKS).axes[:3]
    assert [panel.get_title() for panel in panels] == [LABELS[i] for i in (0, 2, 1)]
    for panel, row in zip(panels, (0, 2, 1), strict=True):
        *lines, start = panel.lines
        assert np.array_equal([line.get_ydata() for line in lines], vectors[row].T)
        assert start.get_xdata()[0] == MARKS["start"][row]


def group_panel(decoded, colour=None):
    points = np.random.default_rng(1).normal(size=(50, 2))
    start = np.array([1.0, -2.0])
    return traversals.GroupPanel("z0-z1", ("z0", "z1"), decoded, start, points, colour)


def test_a_group_is_a_grid_with_the_starting_cell_beside_its_codes():
    images = np.zeros((5, 5, 3, 8, 8))
    hues = traversals.Colour("floor_hue", np.arange(50) % 10, cyclic=True)
    figure = traversals.group_figure([group_panel(images, hues)], "t", values=VALUES, note="n")
    grid, codes, bar = figure.axes
    assert [tick.get_text() for tick in grid.get_xticklabels()] == ["-2", "0", "2"]
    (frame,) = grid.patches
    assert (round(frame.get_x() / 10), round(frame.get_y() / 10)) == (0, 3), "row 3, column 0"
    assert codes.get_title() == "codes by floor_hue"
    assert codes.yaxis_inverted(), "codes lie as the grid does: the first direction down"
    assert np.allclose(codes.collections[0].get_offsets(), group_panel(images).points[:, ::-1])
    assert codes.collections[0].get_cmap().name == "hsv"
    assert bar.get_ylabel() == "floor_hue (cyclic)"
    assert figure.get_supxlabel() == "n"


def test_a_group_of_vectors_is_the_grid_that_it_decodes_to():
    vectors = np.random.default_rng(0).normal(size=(5, 5, 4))
    lines, codes = traversals.group_figure([group_panel(vectors)], "t", values=VALUES).axes
    assert len(lines.lines) == 10
    assert codes.get_title() == "held-out codes", "without labels there is no colour"


def test_a_traversal_starts_from_a_typical_image_of_high_contrast():
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.normal(size=(400, 3)))
    contrast = torch.from_numpy(rng.random(400))
    rows = starting_rows(codes, contrast, 3)
    distance = codes.sub(codes.mean(0)).div(codes.std(0)).norm(dim=1)
    assert (distance[rows] <= distance.quantile(0.25)).all()
    typical = distance <= distance.quantile(0.25)
    assert contrast[rows].tolist() == sorted(contrast[typical].tolist(), reverse=True)[:3]
    assert len(starting_rows(codes[:2], contrast[:2], 3)) == 2


def test_an_animation_is_a_gif_of_all_frames(tmp_path):
    frames = [np.full((20, 30, 3), level) for level in (0.0, 0.5, 1.0)]
    save_animation(frames, tmp_path / "moving.gif")
    with Image.open(tmp_path / "moving.gif") as picture:
        assert (picture.n_frames, picture.size) == (3, (300, 200))


def test_kl_bars_stand_by_group_in_one_colour():
    kl = np.array([3.0, 1.0, 2.0])
    (axes,) = latents.kl_figure(kl, ((0, 2), (1,)), ("z0-z2", "z1"), 0.01, "t").axes
    assert [bar.get_height() for bar in axes.patches] == [3.0, 2.0, 1.0]
    colours = [to_rgba(bar.get_facecolor()) for bar in axes.patches]
    assert colours[0] == colours[1] != colours[2]


def test_the_factor_that_colours_a_group_is_the_one_it_tells_most_of():
    rng = np.random.default_rng(0)
    factor, other = rng.integers(0, 8, 500), rng.integers(0, 8, 500)
    z = np.column_stack((factor, np.zeros(500))) + 0.1 * rng.normal(size=(500, 2))
    assert explained(z, factor) > 0.9
    assert abs(explained(z, other)) < 0.1
    assert abs(explained(z, np.arange(500) // 2)) < 0.3, "many values explain nothing by chance"
    assert explained(z, np.arange(500)) == explained(z, np.zeros(500)) == 0.0


def test_training_curves_never_mix_terms_of_the_batch_with_exact_ones(tmp_path):
    assert list(training_figure(tmp_path / "metrics.csv", "t")) == []
    columns = ("step", "train/elbo", "val/elbo", "train/mws/between_group_tc", "scores/mig")
    columns += ("val/between_group_tc",)
    table = [
        (50, -9, "", 2.0, "", ""),
        (100, -5, -6, 1.0, 0.3, 0.7),
        (150, "nan", -4, 0.5, "", 0.6),
    ]
    with (tmp_path / "metrics.csv").open("w") as file:
        csv.writer(file).writerows([columns, *table])
    ((name, figure),) = training_figure(tmp_path / "metrics.csv", "t")
    assert name == "training_curves"
    elbo, batch, exact = figure.axes[:3]
    titles = [axes.get_title() for axes in (elbo, batch, exact)]
    assert titles[0] == "elbo"
    assert titles[1:] == ["between group tc, training batches", "between group tc, held-out, exact"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in elbo.lines}
    assert lines["held-out, exact"] == [[100, -6], [150, -4]]
    assert lines["training batches"] == [[50, -9], [100, -5]], "what is not finite is left"
    assert [len(batch.lines), len(exact.lines)] == [1, 1]


@pytest.mark.parametrize("shape", [(3, 8, 8), (5,)])
def test_samples_and_reconstructions_of_images_and_vectors(shape, tmp_path):
    images = np.random.default_rng(0).random((20, *shape))
    for figure in (
        traversals.sample_figure(images, "t", images),
        traversals.reconstruction_figure(images, images, "t"),
    ):
        figure.savefig(tmp_path / "drawn.png")
        assert (tmp_path / "drawn.png").stat().st_size > 5000
