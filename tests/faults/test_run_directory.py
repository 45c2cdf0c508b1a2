"""A damaged run directory: the same command completes it with the numbers of an undisturbed one,
and nothing that can still be read is lost.
"""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import pytest
from damage import LONGER, copied, cut, empty, flip, folder, interrupted, noise, of
from tiny import results, tiny_config

from vae_granularity import load_run
from vae_granularity.errors import DataError, ResourceError
from vae_granularity.runs.checkpoint import WholeCheckpoints
from vae_granularity.runs.identity import checkpoints
from vae_granularity.runs.status import is_busy, is_done, recorded_failure
from vae_granularity.training.run import train


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """Runs that died in step 33."""
    home = tmp_path_factory.mktemp("stopped")
    interrupted(lambda: train(tiny_config(home, *LONGER)))
    return home / "runs"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return train(tiny_config(tmp_path_factory.mktemp("whole"), *LONGER))


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def both_newest(run: Path) -> None:
    empty(run / "checkpoints" / "step=30.ckpt")
    cut(run / "checkpoints" / "step=20.ckpt")


def torn_row(run: Path) -> None:
    with (run / "metrics.csv").open("a") as file:
        file.write("33,-1")


STOPPED = {
    # what is wrong: how it came, whether the rows of metrics.csv are all there in the end
    "newest checkpoint cut": (of("checkpoints/step=30.ckpt", lambda p: cut(p, 1000)), True),
    "newest checkpoint empty": (of("checkpoints/step=30.ckpt", empty), True),
    "newest checkpoint noise": (of("checkpoints/step=30.ckpt", noise), True),
    "newest checkpoint with a bit flipped": (of("checkpoints/step=30.ckpt", flip), True),
    "no checkpoint whole": (both_newest, True),
    "later checkpoint cut": (of("checkpoints/step=40.ckpt", lambda p: p.write_bytes(b"PK")), True),
    "one of another name": (of("checkpoints/step=abc.ckpt", lambda p: p.write_bytes(b"PK")), True),
    "version of Lightning": (of("checkpoints/step=40-v1.ckpt", lambda p: p.write_bytes(b"")), True),
    "half-written checkpoint": (of("checkpoints/step=40.ckpt.part", lambda p: noise(p)), True),
    "results half-written": (of("results.json", lambda p: p.write_text('{"run": {"na')), True),
    "results of noise": (of("results.json", noise), True),
    "metrics with a row cut off": (torn_row, True),
    "metrics of noise": (of("metrics.csv", noise), False),
    "metrics empty": (of("metrics.csv", empty), False),
    "config garbled": (of("config.yaml", noise), True),
    "record of a failure of noise": (of("failed.json", noise), True),
    "record of a failure cut": (of("failed.json", lambda p: p.write_text('{"cau')), True),
}


@pytest.mark.parametrize("case", STOPPED)
def test_a_damaged_run_is_completed_by_the_same_command(case, stopped, whole, tmp_path):
    damage, rows_kept = STOPPED[case]
    run = copied(stopped, tmp_path / "runs")
    damage(run)
    assert not is_done(run)
    assert recorded_failure(run) is None
    assert train(tiny_config(tmp_path, *LONGER)) == run
    assert results(run)["terms"] == results(whole)["terms"]
    assert results(run)["scores"] == results(whole)["scores"]
    assert checkpoints(run)[1].name == "step=60.ckpt"
    assert not list(run.rglob("*.part"))
    if rows_kept:
        assert rows(run) == rows(whole)
    else:
        assert rows(run) == rows(whole)[-len(rows(run)) :]
        assert (run / "metrics.csv.damaged").exists() == ("noise" in case)


@pytest.mark.parametrize("damage", [lambda p: cut(p), empty, noise], ids=["cut", "empty", "noise"])
def test_a_finished_run_with_damaged_results_is_measured_again_not_done(damage, whole, tmp_path):
    run = copied(whole.parent, tmp_path / "runs")
    damage(run / "results.json")
    assert not is_done(run)
    train(tiny_config(tmp_path, *LONGER))
    assert results(run)["terms"] == results(whole)["terms"]
    assert rows(run) == rows(whole)


def test_a_damaged_row_of_metrics_is_set_aside_and_the_others_stay(stopped, whole, tmp_path):
    run = copied(stopped, tmp_path / "runs")
    lines = (run / "metrics.csv").read_bytes().splitlines(keepends=True)
    lines[2] = b"\xff\x00" + lines[2][2:]
    (run / "metrics.csv").write_bytes(b"".join(lines))
    train(tiny_config(tmp_path, *LONGER))
    assert rows(run) == [row for i, row in enumerate(rows(whole)) if i != 1]
    assert (run / "metrics.csv.damaged").read_bytes() == b"".join(lines)


def test_weights_of_an_earlier_step_do_not_stand_for_those_that_results_are_of(whole, tmp_path):
    run = copied(whole.parent, tmp_path / "runs")
    for name in ("final.ckpt", "step=60.ckpt"):
        cut(run / "checkpoints" / name)
    with pytest.raises(DataError, match=r"of its last step 60: the newest .* is step=50.ckpt"):
        load_run(run)


def test_a_lock_that_cannot_be_taken_is_not_held_against_the_run(stopped, tmp_path):
    run = copied(stopped, tmp_path / "runs")
    folder(run / ".lock")
    assert not is_busy(run)
    with pytest.raises(ResourceError, match=r"cannot write .*/.lock: Is a directory"):
        train(tiny_config(tmp_path, *LONGER))
    assert not (run / "failed.json").exists()


def test_checkpoints_are_written_beside_their_place_and_whole(tmp_path, monkeypatch):
    """TMPDIR has no part in it: from another disk the move would be a copy, which can be killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    path, seen = tmp_path / "checkpoints" / "step=1.ckpt", []

    def replace(source, target):
        seen.append((Path(source).parent, Path(target)))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(OSError, match="No space left"):
            WholeCheckpoints({}).save_checkpoint({"state_dict": {}}, path)
    assert seen == [(path.parent, path)]
    assert list(path.parent.iterdir()) == []
    WholeCheckpoints({}).save_checkpoint({"state_dict": {}}, path)
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_runs_save_by_it(stopped, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(WholeCheckpoints, "save_checkpoint", lambda *a, **_: saved.append(a[2]))
    copied(stopped, tmp_path / "runs")
    train(tiny_config(tmp_path, *LONGER))
    assert {Path(path).name for path in saved} == {
        "best.ckpt",
        "final.ckpt",
        *(f"step={step}.ckpt" for step in (40, 50, 60)),
    }
