"""The offline W&B run, read back from its own file: config, terms, figures and tags; a continued
run keeps its id.
"""

from __future__ import annotations

import pytest
from tiny import tiny_config
from wandb_records import read_offline_run

from vae_granularity.runs.protocol import PROTOCOL_VERSION
from vae_granularity.training.loggers import sync_hint
from vae_granularity.training.run import train
from vae_granularity.training.wandb_login import logged_in


@pytest.fixture(autouse=True)
def signed_out(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_the_offline_run_holds_config_terms_figures_and_tags(tmp_path, capsys):
    cfg = tiny_config(
        tmp_path,
        "logger=wandb",
        "logger.group=first",
        "evaluation.figures=true",
        "callbacks.terms.every=2",
    )
    run = train(cfg)
    assert f"wandb sync {run}" in capsys.readouterr().out
    (folder,) = (run / "wandb").glob("offline-run-*")
    (path,) = folder.glob("*.wandb")
    found = read_offline_run(path)
    assert found.finished
    assert found.id == run.name.replace("_", "-")
    assert found.name == run.name
    assert found.group == "first"
    assert found.tags == {"stcvae", "blocks", "synthetic", "beta=4", "granularity=2"}
    assert found.config["model"]["granularity"] == 2
    assert found.config["protocol_version"] == PROTOCOL_VERSION
    assert found.config["dataset"]["source"] == "synthetic"
    logged = {key: row for row in found.history for key in row}
    assert {
        "train/elbo",
        "train/mws/between_group_tc",
        "val/elbo",
        "val/within_group_tc",
        "val/within_group_tc/z0-z1",
    } <= set(logged)
    assert "scores/mig" in logged
    pictures = {
        key
        for row in found.history
        for key in row
        if key.startswith("figures/") and key.endswith("filenames")
    }
    traversals = {"traversals", "group_traversals", "reconstructions", "samples"}
    drawn = {*traversals, "kl", "training_curves"}
    assert {path.stem for path in (run / "figures").glob("*.png")} == drawn
    assert len(pictures) == len(drawn)
    assert len(list(folder.rglob("*.png"))) == len(drawn)
    (run / "results.json").unlink()  # as if the process had died before it wrote them
    train(cfg)
    folders = sorted((run / "wandb").glob("offline-run-*"))
    assert {read_offline_run(next(f.glob("*.wandb"))).id for f in folders} == {found.id}
    assert all(str(f) in sync_hint(run) for f in folders)


@pytest.mark.parametrize("machine, expected", [("api.wandb.ai", True), ("example.org", False)])
def test_a_netrc_entry_of_the_host_counts_as_logged_in(tmp_path, machine, expected):
    (tmp_path / "netrc").write_text(f"machine {machine} login user password {'0' * 40}\n")
    assert logged_in() is expected


def test_an_api_key_counts_as_logged_in(monkeypatch):
    assert not logged_in()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert logged_in()
