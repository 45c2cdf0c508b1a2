"""Shared by all tests: golden numbers, one thread a process, the folder of real samples."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared"

# Times on shared machines are no property of the code; the examples are the same in every run.
hypothesis.settings.register_profile(
    "suite", deadline=None, max_examples=40, derandomize=True, database=None
)
hypothesis.settings.load_profile("suite")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], np.lib.npyio.NpzFile]:
    """`golden("objective")`: numbers computed with public reference implementations."""
    return lambda name: np.load(HERE / "golden" / f"{name}.npz")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real samples beside the checkout; tests that need it are skipped where it is
    absent.
    """
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"no real samples: {folder} is absent")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests for a GPU are skipped where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device here"))


def pytest_collection_finish() -> None:
    """What was imported stays to the end: the garbage collector need not walk it time and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
