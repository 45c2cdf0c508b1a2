"""Measure the factors of a data set: complexity, and their information under common partitions."""

from __future__ import annotations

import numpy as np

from vae_granularity.analysis.codes import Codes
from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.blocks import Blocks
from vae_granularity.metrics.core.common_partition import best_partition
from vae_granularity.metrics.core.group_information import GroupInformation
from vae_granularity.metrics.factor_complexity import factor_complexity, participation_ratio
from vae_granularity.metrics.granularity_profile import profile_of
from vae_granularity.partition import LatentPartition

NEIGHBORS, SETTINGS, ORBIT = 10, 20, 64
DIMENSIONS, PAIRS, BLOCKS = "single dimensions", "best pairs", "true blocks"


def profile_rows(codes: Codes, seed: int = 0) -> list[dict[str, object]]:
    """Return a row for each common partition and factor: how well a unit holds the factor.

    `share` is that of the factor's entropy in its best unit, `gap` the distance to the second,
    `separated` whether the factor is separated.

    Every model is compared under the same partitions, whatever groups it was trained with: each
    dimension alone; the assignment of the dimensions to the factors, two to each, of largest total
    mutual information; and for blocks the one with their true sizes. k-NN mutual information on the
    common images.
    """
    labels = codes.data.labels(codes.indices)
    if labels is None:
        return []
    information = GroupInformation.of(
        codes.mu,
        labels,
        num_samples=len(codes.mu),
        num_neighbors=NEIGHBORS,
        seed=seed,
        kl=codes.kl if np.isfinite(codes.kl).all() else None,
    )
    names = [codes.data.label_names[factor] for factor in information.sample.kept_factors]
    singles = LatentPartition.from_granularity(codes.mu.shape[1], 1)
    single_shares = information.shares(singles)
    partitions = {DIMENSIONS: singles, PAIRS: best_partition(single_shares, [2] * len(names))}
    if isinstance(codes.data, Blocks) and len(names) == len(codes.data.partition.sizes):
        partitions[BLOCKS] = best_partition(single_shares, codes.data.partition.sizes)
    rows: list[dict[str, object]] = []
    for name, partition in partitions.items():
        shares = single_shares if partition is singles else information.shares(partition)
        profile = profile_of(shares, partition.groups, information.protocol())
        columns = {
            "share": profile.share,
            "gap": np.full(len(names), np.nan) if profile.gap is None else profile.gap,
            "alone": profile.alone,
            "separated": profile.separated,
        }
        for index, factor in enumerate(names):
            row: dict[str, object] = {"run": codes.run, "partition": name, "factor": factor}
            rows.append(row | {key: values[index].item() for key, values in columns.items()})
    return rows


def complexity_of(data: ImageDataModule, seed: int = 0) -> dict[str, float]:
    """Return the complexity of each factor of a data set that is set up.

    `factor_complexity` on a grid; for blocks, which have none, the same participation ratio along
    orbits that exchange one block's coordinates for drawn ones. Empty where there are neither.
    """
    space = data.factor_space
    if space is not None:
        result = factor_complexity(
            lambda factors: data.images(space.index(factors)),
            space,
            num_settings=SETTINGS,
            seed=seed,
        )
        return dict(zip(result.names, map(float, result.complexity), strict=True))
    if not isinstance(data, Blocks):
        return {}
    rng = np.random.default_rng(seed)
    complexity = {}
    for name, block in zip(data.label_names, data.true_blocks, strict=True):
        ratios = []
        for _ in range(SETTINGS):
            drawn = data.coordinates(rng.choice(data.num_samples, ORBIT, replace=False))
            orbit = np.repeat(drawn[:1], ORBIT, axis=0)
            orbit[:, list(block)] = drawn[:, list(block)]
            ratios.append(participation_ratio(data.mixing.forward(orbit.astype(np.float64))))
        complexity[name] = float(np.mean(ratios))
    return complexity
