"""docs/faults.md names a test for each promise; each of them exists, and each file is named."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "faults.md"


def test_each_promise_names_tests_that_exist():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    promises = [row for row in rows if row not in ("| promise | test |", "| --- | --- |")]
    named = []
    for row in promises:
        found = re.findall(r"`((?:tests/\S+/)?test_\w+\.py)::(test_\w+)`", row)
        assert found, f"names no test: {row}"
        named += found
    for file, name in named:
        path = HERE.parents[1] / file if "/" in file else HERE / file
        assert f"def {name}(" in path.read_text(), f"{file} has no {name}"
    own = {path.name for path in HERE.glob("test_*.py")} - {Path(__file__).name}
    assert own == {file for file, _ in named if "/" not in file}
