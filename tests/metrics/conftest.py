"""Golden arrays of the reference implementations, and the representations they were computed on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from vae_granularity.data.factors import FactorSpace

FOLDER = Path(__file__).parent.parent / "golden"
GRIDS = ("dsprites", "shapes3d")
KINDS = ("perfect", "rotated", "noise", "pairs", "dead", "generic")


@pytest.fixture(scope="session")
def golden():
    """Key to array, over all files of the reference metrics."""
    return {
        key: value
        for name in ("metrics", "dci", "infomec", "entropy")
        for key, value in np.load(FOLDER / f"{name}.npz").items()
    }


class Case(NamedTuple):
    """One representation of one grid: 2000 training and 1000 test rows, and the code of any point
    of the grid.
    """

    name: str
    golden: dict
    space: FactorSpace

    @property
    def latents(self):
        return self.golden[f"{self.name}/latents"].astype(np.float64)

    @property
    def factors(self):
        return self.golden[f"{self.name.split('/')[0]}/factors"].astype(np.int64)

    @property
    def train(self):
        return self.latents[:2000], self.factors[:2000]

    @property
    def test(self):
        return self.latents[2000:], self.factors[2000:]

    def __getitem__(self, key):
        return self.golden[f"{self.name}/{key}"]

    def __contains__(self, key):
        return f"{self.name}/{key}" in self.golden

    def encode(self, factors):
        """Latents (n, D) float32 of factors (n, F), by the generator in the golden set's README."""
        sizes = np.array(self.space.sizes)
        rows = self.space.index(factors)
        signal = (2 * factors / (sizes - 1) - 1) @ self["gen_M"]
        noise = self["gen_sigma"] * self.golden["noise_table"][
            rows % 2053, : signal.shape[1]
        ].astype(np.float64)
        return ((signal + noise) @ self["gen_Q"] + self["gen_offset"]).astype(np.float32)


def make_case(golden, grid, kind):
    sizes = tuple(golden[f"{grid}/sizes"].tolist())
    return Case(
        f"{grid}/{kind}", golden, FactorSpace(tuple(f"f{i}" for i in range(len(sizes))), sizes)
    )


@pytest.fixture
def case_of(golden):
    """(grid, kind) to its case."""
    return lambda grid, kind: make_case(golden, grid, kind)


@pytest.fixture(params=[f"{grid}/{kind}" for grid in GRIDS for kind in KINDS])
def case(request, golden):
    """Every representation in turn."""
    return make_case(golden, *request.param.split("/"))


@pytest.fixture(params=[f"{grid}/{kind}" for grid in GRIDS for kind in KINDS if kind != "dead"])
def live_case(request, golden):
    """Every representation without dead latents, where we deviate on purpose."""
    return make_case(golden, *request.param.split("/"))
