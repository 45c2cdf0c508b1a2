"""Factors that depend on each other: batches follow what is stated, evaluation shows both."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from tiny import results, tiny_config

from vae_granularity.data.batches import BatchOrder, WeightedOrder, split
from vae_granularity.data.blocks import Blocks
from vae_granularity.data.dependence import Dependence, draw_distinct, entries
from vae_granularity.data.shapes3d import Shapes3D
from vae_granularity.errors import ArgumentError
from vae_granularity.evaluation.evaluate import evaluate
from vae_granularity.population.step_inputs import StepInputs
from vae_granularity.training.job import prepare
from vae_granularity.training.run import train

HUES = {"factors": ["floor_hue", "wall_hue"], "sigma": 0.2}
DRAWS = 100_000


def shapes(tmp_path, *correlation: dict[str, Any], **options: Any) -> Shapes3D:
    data = Shapes3D(
        source="rendered",
        cache_dir=tmp_path,
        batch_size=options.pop("batch_size", 1000),
        correlation=list(correlation) or None,
        **options,
    )
    data.setup()
    return data


def empirical(first: np.ndarray, second: np.ndarray) -> float:
    """Mutual information of two columns of integers, in nats, by counting."""
    joint = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(joint, (first, second), 1 / len(first))
    independent = joint.sum(1, keepdims=True) @ joint.sum(0, keepdims=True)
    some = joint > 0
    return float((joint[some] * np.log(joint[some] / independent[some])).sum())


@pytest.mark.parametrize(
    "correlation",
    [
        [HUES],
        [{"factors": ["object_hue", "shape"], "sigma": 0.4}],
        [{"factors": ["orientation", "scale"], "sigma": 0.1, "alpha": 0.5}],
        [HUES, {"factors": ["wall_hue", "object_hue"], "sigma": 0.3}],
        [{"confounder": "shape", "sigma": 0.3}],
    ],
    ids=["hues", "weaker", "alpha", "chain", "confounder"],
)
def test_the_draws_have_the_stated_information(tmp_path, correlation) -> None:
    data = shapes(tmp_path, *correlation)
    drawn = torch.cat([data.batch_indices(step) for step in range(DRAWS // 1000)])
    values, names = data.labels(drawn), list(data.label_names)
    assert values is not None
    stated = data.dependence_stated()["mutual_information"]
    told = {pair: nats for pair, nats in stated.items() if nats > 0.1}
    assert told
    for pair, nats in told.items():
        first, second = (values[:, names.index(name)] for name in pair.split(","))
        assert empirical(first, second) == pytest.approx(nats, rel=0.02)
    assert np.isin(drawn, data.train_indices).all()


def test_the_distribution_is_the_published_one(tmp_path) -> None:
    """Whole grid: the ratio of any two probabilities is that of the Gaussian in a - b."""
    space = Shapes3D.card.factors
    assert space is not None
    both = Dependence.of(entries([HUES]), space.names, space.sizes)
    rows = np.array([[3, 3, 0, 0, 0, 0], [9, 0, 5, 1, 2, 3], [0, 9, 5, 1, 2, 3]])
    p = both.probabilities(rows)
    assert p[1] / p[0] == pytest.approx(np.exp(-1 / (2 * 0.2**2)))
    assert p[1] == p[2]


def test_a_confounder_pairs_with_every_other_factor_that_varies() -> None:
    given = entries([{"confounder": "a", "sigma": 0.5}])
    found = Dependence.of(given, ("a", "b", "one", "c"), (3, 4, 1, 2)).pairs
    assert [pair[:2] for pair in found] == [("b", "a"), ("c", "a")]


def test_smaller_sigma_is_stronger() -> None:
    names, sizes = ("a", "b"), (6, 6)
    grid = np.stack(np.unravel_index(np.arange(36), sizes), 1)
    told = [
        Dependence.of(entries([{"factors": names, "sigma": s}]), names, sizes).information(grid)
        for s in (0.1, 0.2, 0.4, 100.0)
    ]
    nats = [one["a,b"] for one in told]
    assert nats == sorted(nats, reverse=True)
    assert nats[-1] == pytest.approx(0, abs=1e-6)


def test_without_correlation_batches_are_those_of_before() -> None:
    train_indices, _ = split(480_000, 0.1, 0)
    order, seen = BatchOrder(train_indices, 64, 0), hashlib.sha256()
    for step in (0, 1, 2, order.steps_per_epoch):
        seen.update(order(step).numpy().tobytes())
    assert seen.hexdigest()[:16] == "0b9b202ce54e86fe"


def test_a_batch_depends_on_nothing_but_seed_and_step(tmp_path) -> None:
    one, two = (
        shapes(tmp_path, HUES, factor_sizes=(4, 4, 4, 2, 2, 4), batch_size=16) for _ in range(2)
    )
    two.load_state_dict({"step": 7})
    later = next(iter(two.train_dataloader()))
    assert torch.equal(later, one.images(one.batch_indices(7)))
    assert not torch.equal(one.batch_indices(7), one.batch_indices(8))
    other = one.reseeded(5)
    assert not torch.equal(one.batch_indices(7), other.batch_indices(7))
    assert not np.array_equal(one.train_indices, other.train_indices)
    assert one.dataset_size == other.dataset_size  # members of a population share it


def test_weights_decide_how_often_an_index_is_drawn() -> None:
    p = np.array([0.1, 0.0, 0.6, 0.3])
    order = WeightedOrder(np.array([7, 8, 9, 10]), p, batch_size=4, seed=1)
    drawn = torch.cat([order(step) for step in range(5000)]).numpy()
    shares = [np.mean(drawn == index) for index in (7, 8, 9, 10)]
    np.testing.assert_allclose(shares, p, atol=0.01)


def test_blocks_depend_through_the_cells_of_their_states() -> None:
    data = Blocks(correlation=[{"factors": ["block0", "block2"], "sigma": 0.2}], batch_size=1000)
    data.setup()
    labels = data.labels(torch.cat([data.batch_indices(step) for step in range(100)]))
    assert labels is not None
    stated = data.dependence_stated()["mutual_information"]["block0,block2"]
    assert empirical(labels[:, 0], labels[:, 2]) == pytest.approx(stated, rel=0.02)
    assert empirical(labels[:, 0], labels[:, 1]) < 0.02
    assert data.dataset_size < data.train_size


@pytest.mark.parametrize(
    ("correlation", "message"),
    [
        ([], "got an empty list"),
        ("strong", "must be a list of"),
        ([{"factors": ["floor_hue", "wall_hue"]}], r"correlation\[0\].sigma is missing"),
        ([HUES | {"sigma": 0}], r"correlation\[0\].sigma must be a finite number > 0, got 0"),
        ([HUES | {"sigme": 1}], "unknown key 'sigme'"),
        ([{"factors": ["floor_hue"], "sigma": 1}], "must name two different factors"),
        ([{"factors": ["a", "a"], "sigma": 1}], "must name two different factors"),
        ([{"factors": ["floor_hue", "hue"], "sigma": 1}], "must be one of floor_hue, .* got hue"),
        ([HUES | {"confounder": "shape"}], "is no entry of"),
        ([HUES, {"confounder": "wall_hue", "sigma": 1}], "pair .* twice"),
    ],
)
def test_what_cannot_be_is_refused_before_images_are_opened(correlation, message, tmp_path) -> None:
    with pytest.raises(ArgumentError, match=message):
        Shapes3D(source="rendered", cache_dir=tmp_path, correlation=correlation).resolve()


def test_a_data_set_without_such_labels_says_so(open_dataset, small, tmp_path) -> None:
    small.write_mnist(tmp_path / "files")
    with pytest.raises(ArgumentError, match="must be one of digit, got slant"):
        open_dataset("mnist", correlation=[{"factors": ["digit", "slant"], "sigma": 1}]).resolve()


BLOCKS = "dataset.correlation=[{factors: [block0, block1], sigma: 0.25}]"


def test_different_images_are_drawn_as_often_as_the_factors_say() -> None:
    """Chances are m p, up to 1 for the most probable row."""
    weights = np.array([8.0, 4.0, 2.0, 1.0, 1.0, *[0.25] * 64])
    probabilities = weights / weights.sum()
    rng = np.random.default_rng(0)
    counts = np.zeros(len(weights))
    for _ in range(4_000):
        rows = draw_distinct(probabilities, 10, rng)
        assert len(rows) == len(set(rows.tolist())) == 4, "1 / max(p) rows, rounded down"
        counts[rows] += 1
    np.testing.assert_allclose(counts[:5] / 4_000, 4 * probabilities[:5], atol=0.03)


def test_no_test_image_is_a_training_image_so_noise_scores_as_noise() -> None:
    """A reader that remembers every training code scores by chance on other images."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(3_000, 10))
    labels = np.stack((rng.integers(0, 5, 3_000), rng.integers(0, 5, 3_000)), axis=1)
    related = Dependence.of(entries([{"factors": ["a", "b"], "sigma": 0.3}]), ("a", "b"), (5, 5))
    probabilities = related.probabilities(labels)

    def accuracy(rows: np.ndarray) -> float:
        middle = 2 * len(rows) // 3
        reader = KNeighborsClassifier(1).fit(codes[rows[:middle]], labels[rows[:middle], 0])
        return float(reader.score(codes[rows[middle:]], labels[rows[middle:], 0]))

    distinct = draw_distinct(probabilities, 3_000, rng)
    chance = np.bincount(labels[distinct, 0]).max() / len(distinct)
    assert accuracy(distinct) < chance + 0.06
    repeated = rng.choice(3_000, 3_000, p=probabilities)  # as it was done before
    assert accuracy(repeated) > 0.5


def test_evaluation_reports_the_full_distribution_and_the_dependent_one(tmp_path) -> None:
    """What is measured without a suffix is as if nothing depended on anything."""
    found = []
    for overrides in ((), (BLOCKS,)):
        cfg = tiny_config(tmp_path, "metrics=mig", *overrides)
        job = prepare(cfg)
        job.data.setup()
        job.model.dataset_size = job.data.dataset_size
        found.append(evaluate(job.model.eval(), job.data, job.protocol, job.metrics))
    plain, dependent = found
    assert "dependence" not in plain.protocol
    assert dependent.protocol["dependence"]["mutual_information"]["block0,block1"] > 0.3
    for before, after in ((plain.terms, dependent.terms), (plain.scores, dependent.scores)):
        assert after.items() >= before.items()
        added = set(after) - set(before)
        assert added == {f"{name}_correlated" for name in before}
        assert any(after[f"{name}_correlated"] != before[name] for name in before)


def test_a_run_trains_and_a_population_gets_its_batches(tmp_path) -> None:
    cfg = tiny_config(tmp_path, "metrics=mig", BLOCKS)
    said = results(train(cfg))
    assert "-dependent" in said["run"]["name"]
    assert {"val/elbo", "val/elbo_correlated"} <= set(said["terms"])
    job = prepare(cfg)
    model, data = job.model, job.data
    data.setup()
    inputs = StepInputs([model, model], [data, data.reseeded(3)])(4)
    assert torch.equal(inputs.x[0], data.images(data.batch_indices(4)))
    assert not torch.equal(inputs.x[0], inputs.x[1])
