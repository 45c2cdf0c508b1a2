"""Every `>>>` in a docstring of the package runs and shows what it says."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import vae_granularity

MODULES = [
    module.name
    for module in pkgutil.walk_packages(vae_granularity.__path__, "vae_granularity.")
    if not module.name.endswith("__main__")
]


def examples(name: str) -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(import_module(name)) if test.examples]


TESTS = [test for name in MODULES for test in examples(name)]


def test_at_least_thirty_public_docstrings_have_an_example():
    assert len(TESTS) >= 30


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_an_example_shows_what_it_says(test):
    said: list[str] = []
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.DocTestRunner(optionflags=options).run(test, out=said.append)
    assert found.failed == 0, "".join(said)
