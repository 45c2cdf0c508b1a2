"""One damaged run never ends its pack or its sweep: the others are what they are undisturbed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from damage import Damage, cut, empty, folder, noise, of
from omegaconf import OmegaConf
from tiny import results, tiny_config

from vae_granularity.population.engine import Population
from vae_granularity.population.training import train_population
from vae_granularity.runs.table import PARTS
from vae_granularity.sweeps.complete import Point, complete
from vae_granularity.sweeps.source import RECORD, settled_source
from vae_granularity.training.config import compose

SHORT = (
    "trainer.max_steps=24",
    "callbacks.checkpoint.every_n_train_steps=8",
    "metrics=active_units",
)
NAMES = ("metrics.csv", "config.yaml", "failed.json", "results.json", "checkpoints/step=abc.ckpt")
DAMAGES = {
    # what is wrong: how it came, what the member says in the end (None: it is completed)
    "nothing": (lambda run: None, None),
    "files of noise": (lambda run: [noise(run / name) for name in NAMES], None),
    "newest checkpoint empty": (of("checkpoints/step=16.ckpt", empty), None),
    "lock a folder": (of(".lock", folder), "cannot write .*/.lock: Is a directory"),
    "metrics a folder": (of("metrics.csv", folder), "metrics.csv is a folder"),
    "run a file": (lambda run: (shutil.rmtree(run), run.write_text("")), "exists|Not a directory"),
}


def configs(home: Path) -> list:
    betas = range(1, 1 + len(DAMAGES))
    return [tiny_config(home, *SHORT, f"model.beta={beta}") for beta in betas]


def run_of(home: Path, case: str) -> Path:
    (run,) = home.glob(f"runs/*_b{1 + list(DAMAGES).index(case)}_*")
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("whole")
    assert set(train_population(configs(home))) == {None}
    return home


@pytest.fixture(scope="module")
def completed(tmp_path_factory) -> tuple[Path, dict[str, Exception | None]]:
    """A pack that died in step 18; each member was then damaged in its way, and all went on."""
    home, original = tmp_path_factory.mktemp("stopped"), Population.step

    def die(self, inputs):
        if self.step_count == 18:
            raise KeyboardInterrupt
        return original(self, inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Population, "step", die)
        with pytest.raises(KeyboardInterrupt):
            train_population(configs(home))
    for case, (damage, _) in DAMAGES.items():
        damage(run_of(home, case))
    return home, dict(zip(DAMAGES, train_population(configs(home)), strict=True))


@pytest.mark.parametrize("case", DAMAGES)
def test_damaged_members_do_not_ruin_their_pack(case, completed, whole):
    home, outcomes = completed
    _, message = DAMAGES[case]
    if message:
        assert re.search(message, str(outcomes[case]))
        assert not (run_of(home, case) / "results.json").exists()
        return
    assert outcomes[case] is None
    found, expected = (results(run_of(folder, case)) for folder in (home, whole))
    assert found["terms"] == expected["terms"]
    assert found["scores"] == expected["scores"]


def undone(name: str, damage: Damage) -> Damage:
    """The damage of a file of a run that has no results."""

    def act(run: Path) -> None:
        (run / "results.json").unlink()
        of(name, damage)(run)

    return act


SWEPT = {
    # what is wrong: how it came
    "results cut": of("results.json", lambda p: cut(p, 30)),
    "results of noise": of("results.json", noise),
    "a protocol of text": of("results.json", lambda p: p.write_text(_odd({"protocol": "x"}))),
    "a protocol of odd parts": of(
        "results.json", lambda p: p.write_text(_odd({"protocol": {"metrics": 3, "terms": [1]}}))
    ),
    "lock a folder": undone(".lock", folder),
    "record of a failure of noise": undone("failed.json", noise),
    "record of a failure without a cause": undone("failed.json", lambda p: p.write_text("[1]")),
    "record of a failure a folder": undone("failed.json", folder),
    "a file in place of the run": lambda run: (shutil.rmtree(run), run.write_text("")),
}


def _odd(changes: dict) -> str:
    return json.dumps({part: {} for part in PARTS} | changes)


@pytest.mark.parametrize("case", SWEPT)
def test_a_damaged_run_does_not_abort_its_sweep(case, tmp_path, capsys):
    measured = OmegaConf.create({"evaluation": {"figures": False}, "metrics": {"mig": {}}})
    points = [
        Point((f"seed={i}",), f"seed={i}", measured if i == 1 else {}, tmp_path / f"run{i}")
        for i in range(3)
    ]
    for point in points:
        point.directory.mkdir()
        (point.directory / "results.json").write_text(_odd({}))
    SWEPT[case](points[1].directory)
    launched = []

    def launch(given):
        launched.extend(point.label for point in given)
        return [OSError("cannot be written")]

    with pytest.raises(SystemExit):
        complete(points, launch)
    assert launched == ["seed=1"]
    assert "0 done, 2 skipped, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize("damage", [empty, noise, lambda p: p.write_text("[]")])
def test_a_damaged_record_of_sources_is_settled_anew(damage, tmp_path, capsys):
    places = [f"paths.{key}_dir={tmp_path / key}" for key in ("output", "data", "cache")]
    config = compose("train", ["dataset=shapes3d", *places])
    (tmp_path / "output").mkdir()
    damage(tmp_path / "output" / RECORD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vae_granularity.data.files.sources.reachable", lambda *_: set())
        assert settled_source(config) == settled_source(config) == "rendered"
    assert (
        "was damaged (renamed to .sources.json.damaged); resolving dataset.source again"
        in capsys.readouterr().out
    )
