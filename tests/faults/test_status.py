"""`status` of a folder with odd files in it: they count as none, names are words, nothing waits."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from damage import Damage, folder, noise, pipe, within
from fake_runs import fake_results, write_run

from vae_granularity import status
from vae_granularity.sweeps.status import SWEEPS


def told(monkeypatch, capsys, runs: Path) -> str:
    monkeypatch.setattr(sys, "argv", ["status", f"runs='{runs}'"])
    monkeypatch.setenv("COLUMNS", "200")
    with within(60):
        status.main()
    return capsys.readouterr().out


def of(**changes: object) -> str:
    sign = {"host": "h", "written": 1.0, "step": 1, "steps": 2, "seconds_per_step": 1, "elbo": None}
    return json.dumps(sign | changes)


SIGNS: dict[str, str | Damage] = {
    "noise": noise,
    "folder": folder,
    "pipe": pipe,
    "list": "[1]",
    "nested": "[" * 100_000,
    "text for the time": of(written="then"),
    "no time": of(written=float("nan")),
    "text for the step": of(step="1"),
    "no steps": of(steps=0),
    "a list for the host": of(host=["h"]),
    "text for the seconds": of(seconds_per_step="1"),
}


@pytest.mark.parametrize("name", ["progress.json", "failed.json"])
@pytest.mark.parametrize("case", SIGNS)
def test_an_odd_sign_of_a_run_is_none(name, case, tmp_path, monkeypatch, capsys):
    directory, damage = write_run(tmp_path, fake_results()), SIGNS[case]
    (directory / "results.json").unlink()
    if isinstance(damage, str):
        (directory / name).write_text(damage)
    else:
        damage(directory / name)
    said = told(monkeypatch, capsys, tmp_path)
    assert "0 of 1 done, 1 stopped" in said
    assert directory.name in said


@pytest.mark.parametrize("damage", [noise, pipe, folder, lambda path: path.write_text("[[1], 2]")])
def test_an_odd_record_of_a_sweep_is_none(damage, tmp_path, monkeypatch, capsys):
    write_run(tmp_path, fake_results())
    (tmp_path / SWEEPS).mkdir()
    damage(tmp_path / SWEEPS / "a.json")
    (tmp_path / SWEEPS / "b.json").write_text(json.dumps(["waits", "../elsewhere", "/etc"]))
    said = told(monkeypatch, capsys, tmp_path)
    assert "waits" in said
    assert "elsewhere" not in said
    assert "etc" not in said


@pytest.mark.parametrize("seconds", ["long", None, [1], True, 1e308])
def test_odd_results_have_their_line(seconds, tmp_path, monkeypatch, capsys):
    results = fake_results()
    results["run"] |= {"seconds": seconds, "population": "many"}
    results["terms"]["val/elbo"] = "high"
    directory = write_run(tmp_path, results)
    assert directory.name in told(monkeypatch, capsys, tmp_path)


def test_names_are_words_that_do_not_steer_the_terminal(tmp_path, monkeypatch, capsys):
    results = fake_results()
    results["run"]["name"] = "[red]run \x1b]0;owned\x07 [link=javascript:owned]x"
    directory = write_run(tmp_path, results)
    failed = write_run(tmp_path, fake_results(seed=1))
    (failed / "results.json").unlink()
    (failed / "failed.json").write_text(json.dumps({"cause": "[/red] \x1b[2J gone"}))
    said = told(monkeypatch, capsys, tmp_path)
    assert r"[red]run \x1b]0;owned\x07 [link=javascript:owned]x" in said
    assert r"[/red] \x1b[2J gone" in said
    assert "\x1b" not in said
    assert os.listdir(directory)
