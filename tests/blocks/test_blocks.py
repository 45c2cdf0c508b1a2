"""dataset=blocks: the true structure holds in the data, labels and coordinates belong to the
observations, bad arguments are named.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.feature_selection import mutual_info_regression

from vae_granularity.data.blocks import LOGIT_SCALE, Blocks
from vae_granularity.errors import ArgumentError


def blocks(**arguments) -> Blocks:
    data = Blocks(**({"num_samples": 2000} | arguments))
    data.setup()
    return data


def everything(data: Blocks) -> np.ndarray:
    return np.arange(data.num_samples)


def test_blocks_are_independent_of_one_another_and_dependent_within() -> None:
    """k-NN mutual information of all pairs of coordinates, in nats."""
    data = blocks(num_blocks=3, kinds=["ring", "checkerboard", "gaussian"])
    truth = data.coordinates(everything(data))
    block_of = {column: k for k, block in enumerate(data.true_blocks) for column in block}
    for column in block_of:
        information = mutual_info_regression(truth, truth[:, column], random_state=0)
        for other in block_of:
            if other != column:
                within = block_of[other] == block_of[column]
                assert (information[other] > 0.15) if within else (information[other] < 0.05), (
                    column,
                    other,
                )


def test_labels_say_the_cell_of_their_own_block_and_nothing_of_others() -> None:
    data = blocks(num_blocks=3, kinds=["ring", "moons", "spiral"], num_samples=6000)
    labels = data.labels(everything(data))
    assert labels.shape == (6000, 3)
    assert data.label_names == ("block0", "block1", "block2")
    truth = data.coordinates(everything(data))
    for k, own in enumerate(data.true_blocks):
        between = np.array([truth[labels[:, k] == cell].mean(0) for cell in range(8)]).var(0)
        others = np.delete(np.arange(6), own)
        assert between[list(own)].min() > 0.15
        assert between[others].max() < 0.01


@pytest.mark.parametrize(
    "arguments",
    [{}, {"observed_dim": 20}, {"num_blocks": 2, "block_dim": 4, "kinds": "torus"}],
    ids=str,
)
def test_vectors_are_the_mixed_coordinates_and_the_map_can_be_undone(arguments: dict) -> None:
    data = blocks(**arguments)
    images = data.images(everything(data)).numpy()
    assert images.shape == (2000, *data.image_shape)
    assert images.std() == pytest.approx(1.0, rel=1e-5)
    mixed = data.mixing.forward(data.coordinates(everything(data)).astype(float))
    recovered = data.mixing.inverse(images * mixed.std())
    assert recovered == pytest.approx(data.coordinates(everything(data)), abs=1e-4)


def test_pictures_are_sigmoids_of_the_mixed_coordinates_rounded_to_grey_levels() -> None:
    data = blocks(image_size=32)
    images = data.images(everything(data))
    assert images.shape == (2000, 1, 32, 32)
    mixed = data.mixing.forward(data.coordinates(everything(data)).astype(float))
    expected = 1 / (1 + np.exp(-mixed * LOGIT_SCALE / mixed.std()))
    np.testing.assert_allclose(images.flatten(1).numpy(), expected, atol=0.5 / 255 + 1e-6)
    logits = np.log(expected / (1 - expected))
    assert data.mixing.inverse(logits * mixed.std() / LOGIT_SCALE) == pytest.approx(
        data.coordinates(everything(data)), abs=1e-5
    )


def test_pictures_of_different_states_differ() -> None:
    images = blocks(image_size=16).images(np.arange(200)).flatten(1).numpy()
    assert len(np.unique(images, axis=0)) == 200


def test_blocks_may_differ_in_size() -> None:
    data = blocks(num_blocks=3, block_dim=[1, 2, 4], kinds=["gaussian", "ring", "sphere"])
    assert data.true_blocks == ((0,), (1, 2), (3, 4, 5, 6))
    assert data.image_shape == (7,)


def test_the_data_depend_on_data_seed_alone_and_the_split_on_seed() -> None:
    first, again, other_split, other_data = blocks(), blocks(), blocks(seed=1), blocks(data_seed=1)
    rows = np.arange(100)
    assert torch.equal(first.images(rows), again.images(rows))
    assert torch.equal(first.images(rows), other_split.images(rows))
    assert not np.array_equal(first.val_indices, other_split.val_indices)
    assert not torch.equal(first.images(rows), other_data.images(rows))


def test_another_block_leaves_the_coordinates_of_the_first_ones() -> None:
    two, three = blocks(num_blocks=2), blocks(num_blocks=3)
    assert np.array_equal(two.coordinates(np.arange(50)), three.coordinates(np.arange(50))[:, :4])


def test_says_that_it_is_synthetic() -> None:
    data = blocks(kinds="moons", noise=0.2)
    provenance = data.provenance
    assert (provenance["name"], provenance["source"], provenance["verified"]) == (
        "blocks",
        "synthetic",
        None,
    )
    assert (provenance["kinds"], provenance["block_dims"], provenance["noise"]) == (
        ["moons"] * 3,
        [2, 2, 2],
        0.2,
    )
    assert data.factor_space is None


def test_batches_come_from_the_training_part() -> None:
    data = blocks(batch_size=32)
    batch = next(iter(data.train_dataloader()))
    assert batch.shape == (32, 6)
    assert batch.dtype == torch.float32
    assert set(data.batch_indices(0).tolist()) <= set(data.train_indices.tolist())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_blocks": 0}, r"dataset.num_blocks must be an integer >= 1, got 0"),
        ({"num_blocks": 2.5}, r"dataset.num_blocks must be an integer >= 1, got 2.5"),
        ({"num_samples": 1}, r"dataset.num_samples must be an integer >= 2, got 1"),
        ({"noise": -0.1}, r"dataset.noise must be a finite number >= 0, got -0.1"),
        ({"noise": float("nan")}, r"dataset.noise must be a finite number >= 0, got nan"),
        ({"kinds": "rings"}, r"kind must be one of ring, .*, got 'rings'"),
        (
            {"kinds": ["ring", "ring"]},
            r"dataset.kinds must be one value or one for each of num_blocks=3",
        ),
        ({"block_dim": 3}, r"block_dim must be 2 for kind=ring, got 3"),
        (
            {"block_dim": [2, 2]},
            r"dataset.block_dim must be one value or one for each of num_blocks=3",
        ),
        ({"observed_dim": 5}, r"dataset.observed_dim must be an integer >= 6, got 5"),
        ({"image_size": 2}, r"dataset.image_size must be an integer >= 3, got 2"),
        (
            {"image_size": 32, "observed_dim": 9},
            r"dataset.observed_dim must be null where image_size=32",
        ),
        ({"mixing_layers": -1}, r"dataset.mixing_layers must be an integer >= 0, got -1"),
        ({"data_seed": -1}, r"dataset.data_seed must be an integer >= 0, got -1"),
        ({"source": "official"}, r"dataset.source must be auto or synthetic for blocks"),
        ({"device": "mmap"}, r"dataset.device must be cpu or cuda for blocks"),
    ],
    ids=str,
)
def test_a_bad_argument_is_named_with_its_range(arguments: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Blocks(**arguments)
