"""Figures of the metrics: names of factors and groups on the axes, one scale, numbers that can be
read.
"""

from __future__ import annotations

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.evaluation.metric_figures import metric_figures

Z = np.random.default_rng(0).normal(size=(80, 4))
F = np.column_stack((np.arange(80) % 4, np.zeros(80, dtype=int), np.arange(80) // 2 % 3))
GROUPS = LatentPartition(((0, 3), (1, 2)))
PARTITIONS = {
    "own": GROUPS,
    "g1": LatentPartition.from_granularity(4, 1),
    "g4": LatentPartition.from_granularity(4, 4),
}


@pytest.fixture(scope="module")
def figures():
    chosen = {
        name: getattr(metrics, name) for name in ("mig", "modularity_knn", "partition_comparison")
    }
    chosen["dci_fast"] = lambda latents, factors, test, partition: metrics.dci(
        latents, factors, test=test, partition=partition, regressor="lightgbm", n_jobs=1
    )
    given = {
        "latents": Z,
        "factors": F,
        "test": (Z, F),
        "partitions": PARTITIONS,
        "factor_names": ("hue", "still", "size"),
    }
    given["kl"] = np.array([1.0, 0.001, 0.002, 1.0])
    suite = metrics.run_suite(chosen, given, GROUPS)
    protocol = {"label_names": ["hue", "still", "size"], "codes": "means"}
    protocol["inactive_latents"] = list(suite.inactive)
    return dict(metric_figures(suite.results, protocol, GROUPS, "VAE on blocks (rendered)"))


def words(figure):
    texts = [figure.get_suptitle(), figure.get_supxlabel()]
    for axes in figure.axes:
        labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts, axes.title]
        texts += [label.get_text() for label in labels]
    return texts


def test_each_metric_draws_its_figure(figures):
    assert set(figures) == {"mi_histogram", "mi_knn", "dci_fast_importances", "granularity_profile"}


@pytest.mark.parametrize("name", ["mi_histogram", "mi_knn", "dci_fast_importances"])
def test_matrices_name_units_factors_and_protocol(figures, name):
    shown = words(figures[name])
    assert {"z0", "z3", "hue", "size"} <= set(shown)
    assert "still" not in shown  # one value: left out, and the note says so
    assert "VAE on blocks (rendered)" in shown[0]
    assert "80 points" in shown[1]
    assert "1 factor(s) of one value left out" in shown[1]
    assert {"z1 (inactive)", "z2 (inactive)"} <= set(shown)
    assert ({"z0+z3", "z1-z2 (inactive)"} <= set(shown)) == (name != "mi_histogram")


def test_profile_marks_shared_units_and_single_units(figures):
    shown = words(figures["granularity_profile"])
    assert {"γ=1", "γ=4", "hue", "size", "–"} <= set(shown)


def test_figures_can_be_saved(figures, tmp_path):
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
