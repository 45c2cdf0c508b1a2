"""The study under strong penalties: its rule for more seeds, its tests, its archive, its quick
scale. experiments/study
"""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "study"
TABLES = ("convergence", "dependent", "longer", "pairs", "published")
SURFACES = [
    f"capacity_{data}_free_{x}" for data in ("blocks", "dsprites") for x in ("width", "beta")
]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("plan", "results", "study"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return import_module


def elbos(**of: tuple[float, ...]) -> pd.DataFrame:
    rows = [(int(g[1:]), value) for g, values in of.items() for value in values]
    return pd.DataFrame(rows, columns=["model.granularity", "val/elbo"])


@pytest.mark.parametrize(
    "table, competing",
    [
        # Far behind: only the best and its neighbours.
        (elbos(g1=(-9, -9.1), g2=(-1, -1.1), g3=(-8, -8.1), g4=(-9, -9.1)), [1, 2, 3]),
        # Within two standard errors of the best, not beside it.
        (elbos(g1=(-1, -5), g2=(-9, -9.1), g3=(-9, -9.1), g4=(-2, -2.1)), [1, 3, 4]),
        # On the edge there is one neighbour.
        (elbos(g1=(-1, -1.1), g2=(-5, -5.1), g3=(-5, -5.1)), [1, 2]),
    ],
)
def test_more_seeds_go_to_what_competes_and_to_its_neighbours(table, competing, script):
    assert script("plan").contested(table) == competing


def test_the_plan_names_each_sweep_once_and_each_point_composes_one_width(script):
    plan = script("plan")
    for scale in plan.SCALES.values():
        sweeps = [tuple(o) for _, o in plan.pieces(scale, Path("none"))]
        assert len(set(sweeps)) == len(sweeps)
        assert all(sum(o.startswith("net.width=") for o in sweep) <= 1 for sweep in sweeps)


def test_holms_p_values_are_those_of_the_definition(script):
    assert script("results").holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_what_the_archive_holds_is_done_elsewhere(script, tmp_path, monkeypatch):
    study = script("study")
    monkeypatch.setattr(study, "HERE", tmp_path)
    run = tmp_path / "here" / "capacity_blocks_free" / "run"
    run.mkdir(parents=True)
    for name in study.KEPT:
        (run / name).write_text(name)
    study.keep("quick", tmp_path / "here")
    there = tmp_path / "there"
    (there / "capacity_blocks_free" / "run").mkdir(parents=True)
    own = there / "capacity_blocks_free" / "run" / "metrics.csv"
    own.write_text("own")
    study.restore("quick", there)
    assert own.read_text() == "own"
    found = {p.name for p in own.parent.iterdir()}
    assert found == set(study.KEPT)


@pytest.mark.slow
def test_the_quick_scale_yields_the_files_of_the_others(tmp_path):
    """Under ten minutes on two quiet cores."""
    out, folder = tmp_path / "out", tmp_path / "runs"
    for does in (["run", "quick", folder], ["figures", "quick", folder, out]):
        subprocess.run([sys.executable, FOLDER / "study.py", *does], check=True, cwd=tmp_path)
    found = {file.name for file in out.iterdir()}
    assert {f"{table}.csv" for table in TABLES} <= found
    assert {"convergence.png", "surfaces.png", "features.csv", "runs.json"} <= found
    assert {f"{name}_{table}.csv" for name in SURFACES for table in ("points", "verdicts")} <= found
    counts = json.loads((out / "runs.json").read_text())
    assert counts["capacity_blocks_free"] == counts["capacity_dsprites_free"] == 36
