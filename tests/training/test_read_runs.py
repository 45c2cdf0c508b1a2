"""Folders of finished runs as one table: a row a run, damaged ones named, torch not loaded."""

import json
import subprocess
import sys

import pytest
from fake_runs import fake_results, grid, v_elbo, write_run

from vae_granularity import read_runs
from vae_granularity.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for found in grid(v_elbo, widths=(0.5, 2.0), granularities=(1, 2), seeds=2):
        write_run(tmp_path / "runs", found)
    return tmp_path / "runs"


def test_a_row_holds_config_numbers_and_provenance_of_a_run(folder):
    table = read_runs(folder)
    assert len(table) == 8
    row = table[(table["net.width"] == 0.5) & (table["model.granularity"] == 2)].iloc[0]
    found = _read(row["path"])
    assert row[["model", "net", "optimizer"]].tolist() == ["stcvae", "mlp", "Adam"]
    assert row["val/elbo"] == found["terms"]["val/elbo"]
    assert row["scores/mig"] == found["scores"]["mig"]
    assert row["data.source"] == "synthetic"
    assert row["run.name"] == found["run"]["name"]
    assert row["evaluation.num_codes"] == 4000
    assert table["seed"].tolist() == [
        found["config"]["seed"] for found in map(_read, table["path"])
    ]
    assert table.groupby(["model.granularity", "seed"]).size().tolist() == [2, 2, 2, 2]
    assert table["scores/modularity"].dtype == "float64", "a missing score is not a word"
    assert "callbacks.terms.every" not in table, "observers decide nothing"


def _read(path):
    with open(f"{path}/results.json") as file:
        return json.load(file)


def test_standard_errors_that_earlier_versions_wrote_are_left_out(folder):
    """They are no longer computed; the run that holds them is read as before."""
    old = fake_results(seed=9)
    old["scores"] |= {"se/mig": 0.01, "se/infom_group": None}
    old["config"]["evaluation"] |= {"subsamples": 20, "draws": 5}
    write_run(folder, old)
    table = read_runs(folder)
    assert len(table) == 9
    assert table["scores/mig"].notna().all()
    assert not [name for name in table if "se/" in name]


def test_runs_are_named_by_folder_run_pattern_and_list(folder):
    one = read_runs(folder)["path"].iloc[0]
    assert read_runs(one)["path"].tolist() == [one]
    assert len(read_runs(f"{folder}/*_g2_*")) == 4
    assert len(read_runs([folder, one, f"{folder}/*_g1_*"])) == 8


def test_runs_that_cannot_be_read_are_named_once_and_stop_nothing(folder):
    (folder / "half").mkdir()
    (folder / "half" / "results.json").write_text('{"run": ')
    write_run(folder, fake_results(seed=9) | {"scores": {"mig": "high"}})
    (folder / "training").mkdir()
    (folder / "training" / "config.yaml").write_text("seed: 0")
    with pytest.warns(UserWarning, match=r"2 runs cannot be read: .*half: its results.json is dam"):
        table = read_runs(folder)
    assert len(table) == 8
    assert set(table.attrs["unreadable"].values()) > {"has scores/mig = 'high', not a number"}
    assert table.attrs["unfinished"] == [str(folder / "training")]


def test_no_run_at_all_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"there is no run directory in .*nothing"):
        read_runs(tmp_path / "nothing")


def test_the_table_is_read_without_torch(folder):
    probe = f"from vae_granularity import read_runs; import sys; read_runs({str(folder)!r})\n"
    probe += "assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
