"""An offline W&B run that was cut off and continued: its folders together hold each step once."""

from __future__ import annotations

from pathlib import Path

import pytest
from damage import NOISE, interrupted
from tiny import tiny_config
from wandb_records import read_offline_run

from vae_granularity.training.loggers import sync_hint
from vae_granularity.training.run import train
from vae_granularity.training.wandb_records import records

OPTIONS = (
    "logger=wandb",
    "logger.mode=offline",
    "trainer.max_steps=20",
    "callbacks.checkpoint.every_n_train_steps=5",
    "callbacks.terms.every=2",
    "evaluation.every=8",
    "metrics=active_units",
)


def folders(run: Path) -> list[Path]:
    return sorted((run / "wandb").glob("offline-run-*"))


def rows(run: Path) -> list[dict]:
    """The history of all folders in the order of `wandb sync`, less clocks and names of files."""
    history = []
    for folder in folders(run):
        history += read_offline_run(next(folder.glob("*.wandb"))).history
    return history


def values(history: list[dict]) -> list[dict]:
    timed = ("_timestamp", "_runtime")
    return [
        {key: "" if key.startswith("figures/") else value for key, value in row.items()}
        for row in ({k: v for k, v in row.items() if k not in timed} for row in history)
    ]


FIGURES = "evaluation.figures=true"  # drawn at every evaluation, which takes seconds


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return train(tiny_config(tmp_path_factory.mktemp("whole"), *OPTIONS))


def test_a_continued_offline_run_is_one_run_with_each_step_once(whole, tmp_path):
    check_each_step_once(whole, tmp_path)


@pytest.mark.slow
def test_so_it_is_with_figures(tmp_path):
    whole = train(tiny_config(tmp_path / "whole", *OPTIONS, FIGURES))
    assert any(key.startswith("figures/") for row in rows(whole) for key in row)
    check_each_step_once(whole, tmp_path, FIGURES)


def check_each_step_once(whole: Path, folder: Path, *more: str) -> None:
    def go() -> Path:
        return train(tiny_config(folder, *OPTIONS, *more))

    interrupted(go, step=14)  # from 10 on again
    interrupted(go, step=19)  # from 15 on again
    run = go()
    assert len(folders(run)) == 3
    found, expected = rows(run), rows(whole)
    assert [row["_step"] for row in found] == list(range(len(expected)))
    assert values(found) == values(expected)
    once = [(row["trainer/global_step"], key) for row in found for key in row if key[0] != "_"]
    once = [pair for pair in once if pair[1] != "trainer/global_step"]
    assert len(once) == len(set(once))
    assert len({read_offline_run(next(f.glob("*.wandb"))).id for f in folders(run)}) == 1
    assert sync_hint(run).endswith("wandb sync " + " ".join(map(str, folders(run))))


@pytest.mark.parametrize("length", [0, 5, 500, 5000, -3])
def test_records_that_were_cut_off_are_read_as_far_as_they_go(length, whole, tmp_path):
    (path,) = whole.glob("wandb/offline-run-*/*.wandb")
    expected = list(records(path))
    (tmp_path / "cut.wandb").write_bytes(path.read_bytes()[:length])
    found = list(records(tmp_path / "cut.wandb"))
    assert found == expected[: len(found)]
    assert len(found) >= (len(expected) - 2 if length < 0 else 0)
    (tmp_path / "cut.wandb").write_bytes(path.read_bytes()[:200] + NOISE)
    list(records(tmp_path / "cut.wandb"))
