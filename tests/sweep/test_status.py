"""The status command: what it says of each kind of run, from the files of a folder alone."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import commands
import pytest
from fake_runs import fake_results, write_run
from filelock import FileLock

from vae_granularity import status
from vae_granularity.errors import DataError
from vae_granularity.runs.status import LOCK, PROGRESS, Progress, is_busy, write_progress
from vae_granularity.sweeps.status import (
    RunStatus,
    list_runs,
    record_sweep,
    run_status,
    seconds_left,
    swept_runs,
    typical_seconds,
)
from vae_granularity.training import loggers


def run(folder: Path, seed: int, **changes) -> Path:
    results = fake_results(seed=seed)
    results["run"] |= changes
    return write_run(folder, results)


def undone(folder: Path, seed: int) -> Path:
    directory = run(folder, seed)
    (directory / "results.json").unlink()
    return directory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One run of each kind, with a step every half second where one trains."""
    done, training, failed, stopped = run(tmp_path, 0), *(undone(tmp_path, i) for i in (1, 2, 3))
    (failed / "failed.json").write_text(json.dumps({"cause": "not finite at step 7"}))
    for directory in (training, stopped):
        write_progress(directory, 2000, step=1000, seconds_per_step=0.5, elbo=-33.3)
    record_sweep([done, training, failed, stopped, tmp_path / "waits"])
    lock = FileLock(training / LOCK, thread_local=False)
    with lock:
        yield tmp_path


def said(monkeypatch, capsys, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["status", *arguments])
    monkeypatch.setenv("COLUMNS", "100")
    status.main()
    return capsys.readouterr().out


def test_each_kind_of_run_has_its_line(folder, monkeypatch, capsys):
    out = said(monkeypatch, capsys, f"runs={folder}")
    assert "1 of 5 done, 1 training, 1 waiting, 1 stopped, 1 failed; about" in out
    assert re.search(r"_s1_w1\S* +training +1000/2000 +-33.30 +8 min left on \S+", out), out
    assert re.search(r"_s2_w1\S* +failed +not finite at step 7", out), out
    assert re.search(r"_s3_w1\S* +stopped +1000/2000 +-33.30 +\d s ago on \S+", out), out
    assert re.search(r"^waits +waiting", out, re.MULTILINE), out
    assert re.search(r"_s0_w1\S* +done +-20.00 +KL \d\.\d\d, took 1\d s, \d s ago", out), out
    assert out.index("training ") < out.index(" failed ") < out.index(" done "), "one table"
    assert max(map(len, out.splitlines())) <= 100


def test_a_lock_that_is_free_again_means_stopped_and_looking_takes_it_from_nobody(folder):
    (training,) = folder.glob("*_s1_*")
    assert is_busy(training)
    assert run_status(str(training), time.time()).state == "training"
    (stopped,) = folder.glob("*_s3_*")
    with FileLock(stopped / LOCK):
        pass
    looks = threading.Event()

    def look() -> None:
        while not looks.is_set():
            is_busy(stopped)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(20):
            with FileLock(stopped / LOCK, timeout=1):
                pass
    finally:
        looks.set()
        thread.join()
    assert run_status(str(stopped), time.time()).state == "stopped"


def test_where_locks_do_not_reach_another_machine_its_last_sign_counts(tmp_path):
    directory = undone(tmp_path, 0)
    sign = {"host": "elsewhere", "written": time.time(), "step": 1, "steps": 2}
    sign |= {"seconds_per_step": None, "elbo": None}
    (directory / PROGRESS).write_text(json.dumps(sign))
    assert run_status(str(directory), time.time()).state == "training"
    assert run_status(str(directory), time.time() + 3600).state == "stopped"


def test_time_left_is_the_open_work_shared_by_those_that_train():
    def training(step: int) -> RunStatus:
        return RunStatus("a", "training", progress=Progress("h", 0.0, step, 100, 1.0, None))

    waiting = RunStatus("b", "waiting")
    half = RunStatus("c", "stopped", progress=Progress("h", 0.0, 50, 100, 1.0, None))
    assert seconds_left([training(90)], None, now=4.0) == 6.0
    assert seconds_left([training(90), training(0)], None, now=0.0) == 100.0, "the slowest"
    assert seconds_left([training(50), training(50), waiting, half], 100.0, now=0.0) == 125.0
    assert seconds_left([waiting], 100.0, now=0.0) is None, "nothing trains"
    assert seconds_left([training(50), waiting], None, now=0.0) is None
    assert seconds_left([], None, now=0.0) == 0.0


def test_the_usual_time_of_a_member_is_that_of_its_population(tmp_path):
    for seed in range(4):
        run(tmp_path, seed, seconds=5.0, population=4)
    assert typical_seconds(list_runs(tmp_path)) == 20.0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "runs must be a folder"),
        (("runs={}/none",), "holds no run directory and no sweep"),
        (("runs={}", "every=0"), "every must be a finite number >= 0.1"),
        (("runs={}", "max_row=1"), "did you mean 'max_rows'?"),
    ],
)
def test_a_mistake_is_one_message(arguments, message, folder, monkeypatch, capsys):
    given = [argument.format(folder) for argument in arguments]
    with pytest.raises(SystemExit) as ended:
        said(monkeypatch, capsys, *given)
    assert ended.value.code
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_a_table_has_max_rows_of_each_state(folder, monkeypatch, capsys):
    for seed in range(10, 16):
        run(folder, seed)
    out = said(monkeypatch, capsys, f"runs={folder}", "max_rows=2")
    assert "7 of 11 done" in out
    assert "and 5 more done" in out


def test_a_run_that_trains_is_seen_with_step_and_elbo_and_leaves_no_sign_behind(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(loggers, "SECONDS", 0.0)
    steps = ("trainer.max_steps=200", "callbacks.terms.every=10", "metrics=mig", "compile=none")
    process = commands.start(tmp_path, "seed=5", *steps)
    seen: list[RunStatus] = []
    while process.is_alive():
        with suppress(DataError):  # there is nothing yet
            seen += list_runs(tmp_path / "runs")
        time.sleep(0.02)
    process.join()
    assert process.exitcode == 0, commands.output(tmp_path)
    signs = [state.progress for state in seen if state.state == "training" and state.progress]
    assert any(sign.step and sign.elbo and sign.steps == 200 for sign in signs)
    assert list_runs(tmp_path / "runs")[0].state == "done"
    assert not list(tmp_path.rglob(PROGRESS))


def test_sweeps_that_begin_at_once_leave_word_of_the_same_runs(tmp_path):
    """One of two lost the file that it was writing to the other, and ended."""
    runs = [tmp_path / name for name in ("a", "b")]
    with ThreadPoolExecutor(8) as sweeps:
        for _ in sweeps.map(record_sweep, [runs] * 200):
            pass
    assert sorted(swept_runs(tmp_path)) == sorted(map(str, runs))
    assert len(list((tmp_path / ".sweeps").iterdir())) == 1
