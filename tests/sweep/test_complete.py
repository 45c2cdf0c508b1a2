"""The logic of a sweep with launchers that fail, die, or find a run taken; nothing is trained."""

from __future__ import annotations

import json
import threading

import pytest
from filelock import FileLock
from omegaconf import OmegaConf

from vae_granularity.errors import BusyError, TrainingError
from vae_granularity.runs.status import FAILURE, LOCK, failures_recorded, is_busy, recorded_failure
from vae_granularity.runs.table import PARTS
from vae_granularity.sweeps.complete import Point, complete
from vae_granularity.sweeps.status import list_runs, swept_runs


@pytest.fixture
def points(tmp_path) -> list[Point]:
    return [
        Point((f"seed={i}",), f"seed={i}", OmegaConf.create(), tmp_path / f"run{i}")
        for i in range(4)
    ]


def do(point: Point) -> None:
    point.directory.mkdir(exist_ok=True)
    (point.directory / "results.json").write_text(json.dumps({part: {} for part in PARTS}))


class Recorder:
    """A launcher that remembers what it was given; `behave` says what becomes of each point."""

    def __init__(self, behave=lambda point: do(point)) -> None:
        self.behave, self.launched = behave, []

    def __call__(self, points):
        self.launched.append([point.label for point in points])
        raised = []
        for point in points:
            try:
                with_directory(point)
                raised.append(self.behave(point))
            except TrainingError as error:
                raised.append(error)
        return raised


def with_directory(point: Point) -> None:
    point.directory.mkdir(exist_ok=True)


def exit_code(points, launch, **options) -> int:
    try:
        complete(points, launch, **options)
    except SystemExit as ended:
        return int(ended.code)
    return 0


def test_what_is_done_is_not_launched(points, capsys):
    do(points[0])
    launcher = Recorder()
    assert exit_code(points, launcher) == 0
    assert launcher.launched == [["seed=1", "seed=2", "seed=3"]]
    assert "3 done, 1 skipped, 0 failed" in capsys.readouterr().out
    assert exit_code(points, launcher) == 0
    assert len(launcher.launched) == 1
    assert "0 done, 4 skipped, 0 failed" in capsys.readouterr().out


def fail_seed_1(point: Point) -> None:
    if point.label == "seed=1":
        with failures_recorded(point.directory):
            raise TrainingError("not finite at step 7")
    do(point)


def test_a_failure_stops_no_other_point_and_is_retried_only_when_asked(points, capsys):
    launcher = Recorder(fail_seed_1)
    assert exit_code(points, launcher) == 1
    out = capsys.readouterr().out
    assert "3 done, 0 skipped, 1 failed" in out
    assert "not finite at step 7" in out
    assert json.loads((points[1].directory / FAILURE).read_text())["traceback"]
    assert exit_code(points, Recorder()) == 1
    assert "not finite at step 7" in capsys.readouterr().out
    again = Recorder()
    assert exit_code(points, again, retry_failed=True) == 0
    assert again.launched == [["seed=1"]]


def test_a_cause_that_only_the_launcher_knows_is_reported(points, capsys):
    assert (
        exit_code(
            points,
            lambda given: [
                do(p) if p.label != "seed=2" else ValueError("no such GPU") for p in given
            ],
        )
        == 1
    )
    assert "ValueError: no such GPU" in capsys.readouterr().out


def test_a_full_disk_is_not_held_against_the_run(points):
    with pytest.raises(OSError), failures_recorded(_made(points[0])):
        raise OSError(28, "No space left on device")
    assert recorded_failure(points[0].directory) is None


def test_a_new_attempt_forgets_the_old_failure(points):
    directory = _made(points[0])
    (directory / FAILURE).write_text('{"cause": "old"}')
    with failures_recorded(directory):
        pass
    assert recorded_failure(directory) is None


def test_after_a_worker_died_the_rest_is_launched_again(points):
    launches = []

    def dying(given):
        launches.append(len(given))
        do(given[0])
        if len(given) > 1:
            raise RuntimeError("worker was killed")
        return [None]

    assert exit_code(points, dying) == 0
    assert launches == [4, 3, 2, 1]


def test_a_launcher_that_gets_nowhere_is_not_asked_again(points, capsys):
    launches = []

    def dead(given):
        launches.append(len(given))
        raise RuntimeError("out of memory")

    assert exit_code(points, dead) == 1
    assert launches == [4]
    assert capsys.readouterr().out.count("the launcher stopped: RuntimeError: out of memory") == 4


def test_a_run_that_another_process_trains_is_waited_for(points, capsys):
    taken = _made(points[2])
    lock = FileLock(taken / LOCK, thread_local=False)
    lock.acquire()

    def other() -> None:
        do(points[2])
        lock.release()

    timer = threading.Timer(1.0, other)

    def behave(point):
        if is_busy(point.directory):
            timer.start()
            return BusyError(f"another process is training {point.directory}")
        return do(point)

    launcher = Recorder(behave)
    assert exit_code(points, launcher) == 0
    assert launcher.launched[0] == [point.label for point in points]
    assert "waiting for 1 points" in capsys.readouterr().out


def _made(point: Point):
    point.directory.mkdir()
    return point.directory


def test_a_done_run_that_cannot_be_measured_is_tried_once_and_named(tmp_path, capsys):
    asked = OmegaConf.create({"evaluation": {"figures": False}})
    point = Point(("seed=0",), "seed=0", asked, tmp_path / "run")
    point.directory.mkdir()
    (point.directory / "results.json").write_text(json.dumps({part: {} for part in PARTS}))
    launches = []

    def launch(given):
        launches.append(len(given))
        return [TrainingError("no readable checkpoint")]

    assert exit_code([point], launch) == 1
    assert launches == [1]
    said = capsys.readouterr().out
    assert "0 to train, 1 to measure, 0 done before" in said
    assert "no readable checkpoint" in said


def test_a_point_that_is_done_is_said_at_once_with_its_number_and_what_is_left(
    points, capsys, monkeypatch
):
    monkeypatch.setattr("vae_granularity.sweeps.complete.POLL_SECONDS", 0.01)

    def behave(point):
        found = {part: {} for part in PARTS} | {
            "terms": {"val/elbo": -20.5},
            "scores": {"mig": 0.25},
        }
        (point.directory / "results.json").write_text(json.dumps(found))
        threading.Event().wait(0.1)  # longer than a poll

    complete(points, Recorder(behave))
    printed = capsys.readouterr().out
    assert "1/4 points, about " in printed
    assert "left: seed=0  ELBO -20.50  MIG 0.250" in printed
    assert "4/4 points: seed=3  ELBO -20.50" in printed
    assert "run3  ELBO -20.50  MIG 0.250" in printed.split("4/4")[1]  # in the table at the end


def test_a_sweep_leaves_word_of_what_it_asks_for(points):
    complete(points[:2], Recorder())
    assert len(list_runs(points[0].directory.parent)) == 2
    asked = swept_runs(points[0].directory.parent)
    assert [directory.rpartition("/")[2] for directory in asked] == ["run0", "run1"]
