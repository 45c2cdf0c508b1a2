"""A folder with damaged or odd runs is analysed, whatever an earlier pass has left half-done."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import commands
import numpy as np
import pandas as pd
import pytest
from damage import copied, cut, empty, flip, noise, pipe, within
from fake_runs import fake_results, grid, v_elbo, write_run
from filelock import FileLock
from tiny import tiny_config

from vae_granularity import analyze, read_runs
from vae_granularity.analysis.page import traversals, write
from vae_granularity.errors import DataError
from vae_granularity.training.config import compose
from vae_granularity.training.run import train

SMALL = {"widths": (1.0, 2.0), "granularities": (1, 2), "seeds": 1}


def run(*overrides: str) -> None:
    analyze.run(compose("analyze", ["figures=0", *overrides]))


@pytest.fixture
def runs(tmp_path) -> Path:
    for results in grid(v_elbo, **SMALL):
        write_run(tmp_path / "runs", results)
    return tmp_path / "runs"


WRITTEN = ("report.html", "runs.parquet", "points.csv", "verdicts.csv", "broken.csv")


DAMAGES = {"cut": cut, "empty": empty, "noise": noise}
EACH = [
    pytest.param(name, damage, marks=[] if (i + j) % 3 == 0 else [pytest.mark.slow])
    for i, name in enumerate(WRITTEN)
    for j, damage in enumerate(DAMAGES)
]


@pytest.mark.parametrize(("name", "damage"), EACH)
def test_a_file_that_an_earlier_pass_left_damaged_is_made_again(name, damage, runs):
    run(f"runs={runs}")
    before = (runs / "analysis" / name).read_bytes()
    DAMAGES[damage](runs / "analysis" / name)
    run(f"runs={runs}")
    if name.endswith("parquet"):
        assert len(pd.read_parquet(runs / "analysis" / name)) == 4
    else:
        assert (runs / "analysis" / name).read_bytes() == before


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_full_disk_stops_leaves_the_file_of_before(name, runs, monkeypatch):
    """The last move of the file fails; the next pass completes what is missing."""
    from vae_granularity import files

    run(f"runs={runs}")
    before = (runs / "analysis" / name).read_bytes()
    write_run(runs, fake_results(width=4.0, elbo=-30.0))
    (runs / "broken").mkdir()
    (runs / "broken" / "results.json").write_text("{")
    replace = files.os.replace

    def full(source, target):
        if Path(target).name == name:
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            run(f"runs={runs}")
    assert (runs / "analysis" / name).read_bytes() == before
    assert not list(runs.rglob("*.part"))
    run(f"runs={runs}")
    assert (runs / "analysis" / name).read_bytes() != before or name == "verdicts.csv"


def test_a_picture_that_a_full_disk_stops_stays_as_it_was(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    from vae_granularity import files
    from vae_granularity.evaluation.figures import save_figures

    before = save_figures([("traversals", Figure())], tmp_path)["traversals"].read_bytes()

    def full(source, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        save_figures([("traversals", Figure(figsize=(2, 2)))], tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["traversals.png"]
    assert (tmp_path / "traversals.png").read_bytes() == before


def test_two_analyses_of_a_folder_take_turns(runs):
    processes = [
        commands.start_module("vae_granularity.analyze", runs.parent / str(i), f"runs={runs}")
        for i in range(2)
    ]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert not list(runs.rglob("*.part"))
    assert len(pd.read_parquet(runs / "analysis" / "runs.parquet")) == 4


def test_the_second_says_that_it_waits(runs, capsys, monkeypatch):
    run(f"runs={runs}")
    held, said = threading.Event(), threading.Event()

    def other() -> None:
        with FileLock(runs / "analysis" / ".lock"):
            held.set()
            said.wait(60)

    def show(*words: object, **options: Any) -> None:
        print(*words, **options)
        said.set()

    monkeypatch.setattr(write, "print", show, raising=False)
    threading.Thread(target=other).start()
    held.wait()
    run(f"runs={runs}")
    assert "waiting for another analysis that writes into" in capsys.readouterr().out


def edit(*path: str, to: Any) -> Callable[[dict], None]:
    def act(results: dict) -> None:
        for key in path[:-1]:
            results = results[key]
        results[path[-1]] = to

    return act


ODD = {
    # what is odd: how it came, whether the run counts nevertheless
    "text in seconds": (edit("run", "seconds", to="a while"), False),
    "a target without a dot": (edit("config", "model", "_target_", to="stcvae"), False),
    "a likelihood of text": (edit("config", "likelihood", to="gaussian"), False),
    "a huge seed": (edit("config", "seed", to=10**30), False),
    "a seed of text": (edit("config", "seed", to="zero"), False),
    "a dollar in the source": (edit("data", "source", to="$\\frac{$"), True),
    "a dollar in the data set": (edit("data", "name", to="$x^$"), True),
    "steps that are no number": (edit("run", "steps", to=[1]), False),
    "a term that is no number": (edit("terms", "val/elbo", to="high"), False),
    "a protocol of a list": (edit("protocol", to=[1]), False),
    "no protocol of terms": (edit("protocol", "terms", to=None), False),
    "a partition of text": (edit("protocol", "partition", to="all"), True),
    "versions of null": (edit("versions", to=None), False),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> tuple[str, dict[str, Path]]:
    """What an analysis of four runs and one of each odd kind has said, and the directories of the
    odd ones.
    """
    runs, directories = tmp_path_factory.mktemp("odd") / "runs", {}
    for results in grid(v_elbo, **SMALL):
        write_run(runs, results)
    for seed, (case, (change, _)) in enumerate(ODD.items()):
        results = fake_results(width=4.0, granularity=1, seed=seed)
        directories[case] = write_run(runs, results)
        change(results)
        (directories[case] / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        run(f"runs={runs}", "figures=1", "allow_mixed=[source,dataset,protocol]")
    return said.getvalue(), directories


@pytest.mark.parametrize("case", ODD)
def test_one_odd_results_json_does_not_end_the_analysis_of_the_folder(case, odd):
    said, directories = odd
    counted = [case for case, (_, counts) in ODD.items() if counts]
    assert f"{4 + len(counted)} runs" in said
    assert (f"broken: {directories[case]}" in said) == (case not in counted)


def test_odd_runs_that_count_are_in_the_table(odd):
    _, directories = odd
    folder = directories["no protocol of terms"].parent
    with pytest.warns(UserWarning, match="runs cannot be read"):
        paths = set(read_runs(folder)["path"])
    counted = {str(directories[case]) for case, (_, counts) in ODD.items() if counts}
    assert counted < paths


def _leaves(node: Any, path: tuple = ()) -> Iterator[tuple]:
    if isinstance(node, dict):
        yield from ((*path, key) for key in node)
        for key, value in node.items():
            yield from _leaves(value, (*path, key))


def test_any_leaf_of_a_results_json_may_be_odd(tmp_path):
    """200 seeded changes, one a run: none ends the reading, and those that are read are tables."""
    draw = np.random.default_rng(0)
    odd = [None, "", "$", "a.b", -1, 10**40, 1e308, True, [], [[1]], {}, {"a": [1]}, "\ud800"]
    leaves = list(_leaves(fake_results()))
    for number in range(200):
        results = fake_results(seed=number)
        name = results["run"]["name"]
        change = edit(*leaves[draw.integers(len(leaves))], to=odd[draw.integers(len(odd))])
        change(results)
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "results.json").write_text(json.dumps(results))
    kinds = "dataset,source,likelihood,split,protocol"
    chosen = ("+where.protocol_version=3", f"allow_mixed=[{kinds}]")  # mixing versions is refused
    run(f"runs={tmp_path / 'runs'}", "figures=1", *chosen)
    read = pd.read_parquet(tmp_path / "runs" / "analysis" / "runs.parquet")
    broken = pd.read_csv(tmp_path / "runs" / "analysis" / "broken.csv")
    assert len(read) + len(broken) == 200
    assert len(read) > 50


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """A real run with pictures and a checkpoint."""
    overrides = ("evaluation.figures=true", "metrics=active_units")
    return train(tiny_config(tmp_path_factory.mktemp("drawn"), *overrides)).parent


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_picture_is_seen(damage, drawn, tmp_path):
    picture = copied(drawn, tmp_path / "runs") / "figures" / "traversals.png"
    assert traversals._is_readable(picture)
    DAMAGES[damage](picture)
    assert not traversals._is_readable(picture)


def test_a_damaged_picture_is_drawn_again(drawn, tmp_path):
    directory = copied(drawn, tmp_path / "runs")
    picture = directory / "figures" / "traversals.png"
    cut(picture)
    run(f"runs={tmp_path / 'runs'}")
    assert traversals._is_readable(picture)
    assert picture.stat().st_size > 5000
    assert "no traversals of" not in (tmp_path / "runs" / "analysis" / "report.html").read_text()


def test_a_damaged_picture_without_a_model_is_named_and_ends_nothing(drawn, tmp_path):
    directory = copied(drawn, tmp_path / "runs")
    shutil.rmtree(directory / "checkpoints")
    noise(directory / "figures" / "traversals.png")
    run(f"runs={tmp_path / 'runs'}")
    page = (tmp_path / "runs" / "analysis" / "report.html").read_text()
    assert f"no traversals of {directory.name}" in page


FINDINGS = [("codes/*.npz", damage) for damage in (cut, flip)]
FINDINGS += [("profile.csv", noise)]
FINDINGS += [
    pytest.param(name, damage, marks=pytest.mark.slow)
    for name, damage in (("codes/*.npz", empty), ("codes/*.npz", noise), ("profile.csv", empty))
]


@pytest.mark.parametrize(("name", "damage"), FINDINGS)
def test_damaged_findings_of_an_earlier_pass_are_made_again(name, damage, drawn, tmp_path):
    copied(drawn, tmp_path / "runs")
    asked = (f"runs={tmp_path / 'runs'}", "profile=true", "num_codes=50")
    run(*asked)
    (path,) = (tmp_path / "runs" / "analysis").glob(name)
    before = path.read_bytes()
    damage(path)
    run(*asked)
    assert "models could not be loaded" not in (tmp_path / "runs/analysis/report.html").read_text()
    if path.suffix == ".npz":
        assert zipfile.ZipFile(path).testzip() is None
    else:
        assert path.read_bytes() == before


WAITED_FOR = ("results.json", "metrics.csv", "figures/traversals.png", "checkpoints/final.ckpt")


@pytest.mark.parametrize("name", [*WAITED_FOR, "../analysis/profile.csv"])
def test_pipes_in_place_of_files_are_not_waited_for(name, drawn, tmp_path):
    """Opening one waits for whoever writes to it, for good."""
    directory = copied(drawn, tmp_path / "runs")
    write_run(tmp_path / "runs", fake_results())
    shutil.copytree(directory, tmp_path / "runs" / "another")
    results = json.loads((directory / "results.json").read_text())
    results["run"]["name"] = "another"
    (tmp_path / "runs" / "another" / "results.json").write_text(json.dumps(results))
    (tmp_path / "runs" / "analysis").mkdir()
    pipe(directory / name)
    kinds = "dataset,source,likelihood,split,protocol"
    with within(120):
        run(f"runs={tmp_path / 'runs'}", f"allow_mixed=[{kinds}]", "udr=true", "num_codes=50")
    assert (tmp_path / "runs" / "analysis" / "report.html").is_file()


def test_a_damaged_record_of_a_deciding_sweep_is_told_on_the_page(runs):
    for text in ("{", "[]", json.dumps({"asks": {}, "budget": {}, "rounds": [{"additions": 1}]})):
        (runs / "deciding.json").write_text(text)
        run(f"runs={runs}")
        page = (runs / "analysis" / "report.html").read_text()
        assert "deciding.json" in page
    pipe(runs / "deciding.json")
    with within(60):
        run(f"runs={runs}")


def _odd_tables() -> dict[str, Callable[[pd.DataFrame], pd.DataFrame]]:
    return {
        "other columns": lambda table: table[["path"]],
        "text for numbers": lambda table: table.astype(str),
        "names that are paths": lambda table: table.assign(**{"run.name": "../../elsewhere"}),
        "a word for a number": lambda table: table.assign(
            **{"val/elbo": pd.Categorical(["high"] * len(table))}
        ),
        "rows twice": lambda table: pd.concat([table, table]),
        "numbers for paths": lambda table: table.assign(path=1.0),
        "no rows": lambda table: table.iloc[:0],
    }


@pytest.mark.parametrize("case", _odd_tables())
def test_a_table_of_another_pass_that_is_odd_ends_nothing(case, runs):
    """A folder that someone sent may have an analysis in it: runs.parquet as they please."""
    run(f"runs={runs}")
    file = runs / "analysis" / "runs.parquet"
    before = pd.read_parquet(file)
    _odd_tables()[case](before).to_parquet(file)
    run(f"runs={runs}")
    after = pd.read_parquet(file)
    pd.testing.assert_frame_equal(after[before.columns], before, check_dtype=False)


def test_a_folder_of_damaged_runs_alone_is_said(tmp_path):
    directory = write_run(tmp_path, fake_results())
    noise(directory / "results.json")
    with pytest.raises(DataError, match=r"has no finished run: 0 unfinished, 1 broken"):
        run(f"runs={tmp_path}")
