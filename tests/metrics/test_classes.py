"""The torchmetrics classes: batches add up to the table, also over processes."""

import numpy as np
import pytest
import torch
from torchmetrics import Metric

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import ArgumentError

SPACE = FactorSpace(("a", "b"), (5, 6))
F = torch.from_numpy(np.tile(SPACE.factors(np.arange(SPACE.size)), (4, 1)))
Z = F.double() @ torch.tensor([[1.0, 0.2, 0.0], [0.0, 0.1, 1.0]], dtype=torch.float64)
Z = Z + 0.1 * torch.randn(Z.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LOGVAR = torch.full_like(Z, -3.0)
PAIR = LatentPartition.from_sizes([2, 1])
TABLES = {
    metrics.MIG: ({}, (Z, F)),
    metrics.IRS: ({"partition": PAIR}, (Z, F)),
    metrics.InfoMEC: ({"partition": PAIR}, (Z, F)),
    metrics.Modularity: ({"num_bins": 10}, (Z, F)),
    metrics.ModularityKNN: ({"num_neighbors": 5}, (Z, F)),
    metrics.Unsupervised: ({"partition": PAIR}, (Z,)),
    metrics.MIGEntropy: ({"partition": PAIR}, (Z, Z, LOGVAR, F)),
    metrics.ActiveUnits: ({}, (Z, LOGVAR)),
}
SPLIT = {
    metrics.SAP: {"partition": PAIR},
    metrics.Explicitness: {},
    metrics.DCI: {"regressor": "lightgbm", "n_jobs": 1},
}


def check(metric, expected):
    found = metric.compute()
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {name: value for name, value in expected.items() if value is not None}, abs=1e-6
    )
    assert all(value.is_floating_point() for value in found.values())


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_batches_add_up_to_the_table(kind):
    options, arrays = TABLES[kind]
    metric = kind(**options)
    for rows in (slice(0, 50), slice(50, 51), slice(51, None)):
        metric.update(*(array[rows] for array in arrays))
    check(metric, kind.function(*arrays, **options).scores)
    metric.reset()
    assert not getattr(metric, kind.inputs[0])


@pytest.mark.parametrize("kind", SPLIT, ids=lambda kind: kind.__name__)
def test_the_test_part_is_kept_apart(kind):
    metric = kind(**SPLIT[kind])
    metric.update(Z[:80], F[:80])
    metric.update(Z[80:], F[80:], test=True)
    check(metric, kind.function(Z[:80], F[:80], test=(Z[80:], F[80:]), **SPLIT[kind]).scores)


@pytest.mark.parametrize(
    "kind", [metrics.FactorVAEScore, metrics.BetaVAEScore], ids=lambda kind: kind.__name__
)
def test_scores_on_a_grid_look_up_what_was_collected(kind):
    few = {"num_train": 100, "num_eval": 50, "batch_size": 8}
    order = np.random.default_rng(0).permutation(SPACE.size)
    metric = kind(space=SPACE, **few)
    for rows in np.array_split(order, 3):
        metric.update(Z[rows], F[rows])
    check(metric, kind.function(lambda points: Z[SPACE.index(points)], SPACE, **few).scores)
    metric.reset()
    metric.update(Z[:7], F[:7])
    with pytest.raises(
        ArgumentError, match="factors must cover the whole grid of 30 points, got 7"
    ):
        metric.compute()


def test_udr_of_two_models():
    metric = metrics.UDR(num_models=2)
    for rows in (slice(0, 50), slice(50, None)):
        metric.update([Z[rows], Z[rows].flip(1)])
    check(metric, metrics.udr([Z, Z.flip(1)]).scores)


@pytest.mark.parametrize("kind", [metrics.MIG, metrics.SAP], ids=lambda kind: kind.__name__)
def test_two_processes_gather_both_halves(kind):
    """As under a distributed sync: states become tensors (torchmetrics#2005), halves are
    concatenated.
    """
    halves = {name: [table[:60], table[60:]] for name, table in (("latents", Z), ("factors", F))}

    def gather(state, group=None):
        return next(
            (pair for pair in halves.values() if pair[0].dtype == state.dtype), [state, state]
        )

    metric = kind(dist_sync_fn=gather, distributed_available_fn=lambda: True)
    metric.update(Z[:60], F[:60])
    if metric.has_test:
        metric.update(Z[:60], F[:60], test=True)
        check(metric, kind.function(Z, F, test=(Z, F)).scores)
    else:
        check(metric, kind.function(Z, F).scores)
    metric.sync(dist_sync_fn=gather, distributed_available=lambda: True)
    assert isinstance(metric.latents, torch.Tensor)
    assert len(metric.table()[0]) == len(Z)


def test_undefined_scores_are_left_out_of_compute_and_none_in_the_result():
    metric = metrics.MIG()
    metric.update(Z[:, :1], F)
    assert metric.compute() == {}
    assert metric.result().scores == {"mig": None}


def test_bad_updates_are_named():
    with pytest.raises(ArgumentError, match="update of MIG takes latents, factors, got 1"):
        metrics.MIG().update(Z)
    with pytest.raises(ArgumentError, match="test must be False for MIG"):
        metrics.MIG().update(Z, F, test=True)
    with pytest.raises(ValueError, match="num_bin"):
        metrics.MIG(num_bin=10)
    with pytest.raises(ArgumentError, match="latents must hold the tables of 2 models, got 1"):
        metrics.UDR(num_models=2).update([Z])


def test_every_class_is_a_torchmetric():
    classes = [getattr(metrics, name) for name in metrics.__all__ if name[0].isupper()]
    assert len(classes) == 16
    assert all(issubclass(kind, Metric) for kind in classes)
