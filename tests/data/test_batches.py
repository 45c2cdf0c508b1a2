"""Batches are a pure function of (seed, step): epochs without repetition, the same after a restart,
the same in a DataLoader.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_granularity.data.batches import BatchOrder, split
from vae_granularity.data.shapes3d import Shapes3D
from vae_granularity.errors import ArgumentError


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Callable[..., Shapes3D]:
    standard = {
        "source": "rendered",
        "factor_sizes": (2, 2, 2, 2, 2, 2),
        "batch_size": 8,
        "cache_dir": tmp_path_factory.mktemp("cache"),
    }

    def opened(**options) -> Shapes3D:
        data = Shapes3D(**(standard | options))
        data.setup()
        return data

    return opened


@given(st.integers(1, 200), st.floats(0, 0.9), st.integers(0, 5))
def test_the_split_is_a_partition(num_images: int, val_fraction: float, seed: int) -> None:
    train, val = split(num_images, val_fraction, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, val])), np.arange(num_images))
    assert len(val) == round(num_images * val_fraction)


@given(st.integers(5, 60), st.integers(1, 5), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_serves_each_image_at_most_once_and_drops_the_rest(
    count: int, batch_size: int, seed: int, epoch: int
) -> None:
    indices = np.arange(100, 100 + count)
    order = BatchOrder(indices, batch_size, seed)
    served = torch.cat(
        [order(epoch * order.steps_per_epoch + step) for step in range(order.steps_per_epoch)]
    ).numpy()
    assert len(served) == count // batch_size * batch_size == len(set(served))
    assert set(served) <= set(indices)


def test_a_batch_depends_on_nothing_but_seed_and_step() -> None:
    one, two = (BatchOrder(np.arange(50), 8, seed=3) for _ in range(2))
    backwards = {step: two(step) for step in reversed(range(20))}
    assert all(torch.equal(one(step), backwards[step]) for step in range(20))
    assert not torch.equal(one(0), BatchOrder(np.arange(50), 8, seed=4)(0))
    assert not torch.equal(one(0), one(one.steps_per_epoch))


def test_split_and_order_do_not_share_random_numbers() -> None:
    train, _ = split(50, 0.0, seed=0)
    split_order = np.random.default_rng([0, 0]).permutation(50)
    assert not np.array_equal(BatchOrder(train, 50, seed=0)(0).numpy(), split_order)


def test_a_continued_run_gets_the_batches_it_would_have_had(rendered) -> None:
    whole, killed = rendered(), rendered()
    whole.trainer = killed.trainer = SimpleNamespace(max_steps=20)
    expected = list(whole.train_dataloader())
    assert len(whole.train_dataloader()) == len(expected) == 20
    first = [batch for batch, _ in zip(killed.train_dataloader(), range(7), strict=False)]
    continued = rendered()
    continued.trainer = whole.trainer
    continued.load_state_dict({"step": len(first)})
    got = first + list(continued.train_dataloader())
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
    assert continued.state_dict() == {"step": 20}


def test_while_a_step_runs_its_batch_counts_as_served(rendered) -> None:
    data = rendered()
    assert [
        data.state_dict()["step"] for _, _ in zip(data.train_dataloader(), range(3), strict=False)
    ] == [1, 2, 3]


def test_the_torch_dataloader_has_the_same_order(rendered) -> None:
    data = rendered()
    for step, batch in enumerate(data.torch_dataloader(first_step=5, steps=4), start=5):
        assert torch.equal(batch, data.images(data.batch_indices(step)))
    assert len(data.torch_dataloader()) == data.steps_per_epoch


def test_setup_twice_changes_nothing(rendered) -> None:
    data = rendered()
    store, before = data._store, data.batch_indices(3)
    data.setup()
    assert data._store is store
    assert torch.equal(data.batch_indices(3), before)


def test_the_seed_decides_split_and_order_and_is_recorded(rendered) -> None:
    one, same, other = rendered(seed=1), rendered(seed=1), rendered(seed=2)
    assert (
        one.provenance["split_sha256"]
        == same.provenance["split_sha256"]
        != other.provenance["split_sha256"]
    )
    assert one.provenance["seed"] == 1
    np.testing.assert_array_equal(one.val_indices, same.val_indices)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 65}, r"batch_size must be in \[1, size of the training set = 58\], got 65"),
        ({"batch_size": 0}, "dataset.batch_size must be an integer >= 1, got 0"),
        ({"seed": -1}, "dataset.seed must be an integer >= 0, got -1"),
        ({"val_fraction": 1.0}, r"dataset.val_fraction must be in \[0, 1\), got 1.0"),
        (
            {"source": "offical"},
            "dataset.source must be one of auto, official, hub, rendered, got 'offical'",
        ),
        ({"device": "gpu"}, "dataset.device must be one of cpu, mmap, cuda, got 'gpu'"),
        ({"factor_sizes": (2, 2)}, "one size for each of the factors"),
    ],
)
def test_bad_arguments_are_named(rendered, options: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        rendered(**options)
