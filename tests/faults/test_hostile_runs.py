"""Run directories that someone else has written: whatever their files name, nothing of it is called
and nothing is written outside. Each is refused in one line.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import time
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tiny import tiny_config

from vae_granularity import analyze, evaluate, load_run, read_runs
from vae_granularity.errors import DataError, ResourceError
from vae_granularity.evaluation.measure_again import evaluate_run
from vae_granularity.population.jobs import train_pack, write_pack
from vae_granularity.runs.identity import CONFIG, RESULTS
from vae_granularity.runs.status import is_busy
from vae_granularity.runs.trust import check_targets
from vae_granularity.training.config import compose
from vae_granularity.training.run import train

NODES = ("model", "net", "optimizer", "metrics.mig", "callbacks.terms")
ATTACKS = ("hub", "torch", "numpy", "pandas", "joblib", "write_text", "copyfile", "remove_packs")


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def payload(attack: str, folder: Path) -> dict[str, Any]:
    """A config node that creates `folder`/executed or removes `folder`/.packs when built."""
    done, path = folder / "executed", folder / f"payload_{attack}"
    folder.mkdir(exist_ok=True)
    if attack == "hub":
        path.mkdir()
        code = f"from pathlib import Path\nPath({str(done)!r}).touch()\ndef net(**k): return None\n"
        (path / "hubconf.py").write_text(code)
        node = {"_target_": "torch.hub.load", "repo_or_dir": str(path), "model": "net"}
        return node | {"source": "local"}
    if attack == "torch":
        torch.save(Touch(done), path)
        return {"_target_": "torch.load", "f": str(path), "weights_only": False}
    if attack == "numpy":
        with path.open("wb") as file:
            np.save(file, np.array([Touch(done)], dtype=object), allow_pickle=True)
        return {"_target_": "numpy.load", "file": str(path), "allow_pickle": True}
    if attack == "pandas":
        path.write_bytes(pickle.dumps(Touch(done)))
        return {"_target_": "pandas.read_pickle", "filepath_or_buffer": str(path)}
    if attack == "joblib":
        joblib.dump(Touch(done), path)
        return {"_target_": "joblib.load", "filename": str(path)}
    if attack == "write_text":
        victim = {"_target_": "pathlib.Path", "_args_": [str(done)]}
        return {"_target_": "pathlib.Path.write_text", "_args_": [victim, "owned"]}
    if attack == "copyfile":
        path.touch()
        return {"_target_": "shutil.copyfile", "src": str(path), "dst": str(done)}
    (folder / ".packs").mkdir()
    files = [str(folder / ".packs" / "any.json")]
    return {"_target_": "vae_granularity.population.jobs.remove_packs", "files": files}


def has_happened(attack: str, folder: Path) -> bool:
    """Whether the payload was built."""
    if attack == "remove_packs":
        return not (folder / ".packs").exists()
    return (folder / "executed").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run directory as this program writes it."""
    return train(tiny_config(tmp_path_factory.mktemp("trained"), "metrics=mig"))


@pytest.fixture
def received(trained, tmp_path) -> Path:
    """A copy of it, to be made hostile."""
    return shutil.copytree(trained, tmp_path / "received" / trained.name)


def rewrite(run: Path, key: str, value: Any) -> None:
    """Set a key of the run's config.yaml."""
    config = OmegaConf.load(run / CONFIG)
    OmegaConf.update(config, key, value, merge=False, force_add=True)
    (run / CONFIG).write_text(OmegaConf.to_yaml(config))


@cache
def measuring(*overrides: str) -> DictConfig:
    """The config of `evaluate`."""
    return compose("evaluate", ["run=_", *overrides])


def refused(run: Path, *words: str) -> None:
    """Loading and measuring the run is refused, each in one line that has the words."""
    for ask in (load_run, lambda run: evaluate_run(run, measuring())):
        with pytest.raises(DataError) as error:
            ask(run)
        message = str(error.value)
        assert len(message.splitlines()) == 1
        for word in (run.name, *words):
            assert word in message


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attacks_work_where_nothing_is_checked(attack, tmp_path):
    """Hydra itself builds them: the tests below would see it."""
    instantiate(payload(attack, tmp_path))
    assert has_happened(attack, tmp_path)


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_run_directory_calls_nothing_foreign(attack, node, received, tmp_path):
    folder = tmp_path / "victim"
    hostile, config = payload(attack, folder), (received / CONFIG).read_text()
    target = hostile["_target_"]
    for key in (node, f"{node}.nested._args_"):
        (received / CONFIG).write_text(config)
        rewrite(received, key, [hostile] if key.endswith("_args_") else hostile)
        refused(received, node, target, "which a run directory may not call")
    assert not has_happened(attack, folder)


@pytest.mark.parametrize(
    "target",
    [
        "vae_granularity.models.base.torch.hub.load",  # by way of a module of this package
        "vae_granularity.models.base.torch",
        "vae_granularity.data.files.cache.prepare",
        "vae_granularity.data.base.LightningDataModule.load_from_checkpoint",
        "vae_granularity.models.stcvae.BetaSTCVAE.load_from_checkpoint",
        "vae_granularity.models.stcvae.WeightedVAE.__init__",
        "torch.optim.os.system",
        "torch.optim.Optimizer.load_state_dict",
        "lightning.pytorch.core.saving.load_hparams_from_yaml",
        "vae_granularity",
        "os.system",
        "builtins.eval",
        "${paths.output_dir}",
        "",
        None,
        ["os.system"],
        {"_target_": "os.system"},
    ],
)
@pytest.mark.parametrize("group", ["model", "dataset", "optimizer", "trainer", "logger", "mine"])
def test_no_name_leads_elsewhere(group, target):
    with pytest.raises(DataError, match=group):
        check_targets({group: {"_target_": target, "_partial_": True}})


def test_what_interpolations_come_to_is_checked_and_resolvers_are_refused(received):
    rewrite(received, "evil", "os.system")
    rewrite(received, "model._target_", "${evil}")
    refused(received, "model names os.system")
    for value in ("${oc.env:HOME}", "${oc.create:{a: 1}}", "\\${oc.env:HOME}", "${a.${oc.env:B}}"):
        rewrite(received, "model._target_", "vae_granularity.models.vae.VAE")
        rewrite(received, "net.width", value)
        refused(received, "net.width")


REFERENCES = {
    "a name that is a reference": "a: oc.env\nz: ${${a}:HOME}",
    "a part of a name": "a: env\nz: ${oc.${a}:HOME}",
    "in a list": "z: [1, ['${oc.env:HOME}']]",
    "in a text": "z: 'x${ oc.env : HOME }'",
    "a key": "z: {'${oc.env:HOME}': 1}",
    "escaped": "z: '\\${oc.env:HOME}'",
    "a chain that doubles": "a0: 0123456789\n"
    + "\n".join(f"a{i}: '${{a{i - 1}}}${{a{i - 1}}}'" for i in range(1, 40)),
    "trees that double": "a0: {x: 1}\n"
    + "\n".join(f"a{i}: {{x: '${{a{i - 1}}}', y: '${{a{i - 1}}}'}}" for i in range(1, 18)),
    "to itself": "a: ${b}\nb: ${a}",
    "within itself": "a: {b: '${a}'}",
    "in one another": "a: '" + "${" * 300 + "a" + "}" * 300 + "'",
    "to nothing": "a: ${nothing.here}",
    "nested lists": "a: " + "[" * 1500 + "]" * 1500,
    "an anchor": "a: &b [1]\nc: [*b, *b]",
    "many values": "a: [" + "1," * 30_000 + "]",
}


@pytest.mark.parametrize("text", REFERENCES.values(), ids=REFERENCES)
def test_references_that_ask_for_more_than_keys_are_refused_in_seconds(text, received):
    """No resolver is called, and nothing grows: by the grammar, however it is written."""
    config = received / CONFIG
    config.write_text(config.read_text() + text + "\n")
    started = time.monotonic()
    refused(received, CONFIG)
    assert time.monotonic() - started < 10


def test_references_to_keys_of_the_same_file_are_followed(received):
    rewrite(received, "model.beta", "${mine.beta}")
    rewrite(received, "mine", {"beta": "${.here}", "here": 2.5, "text": "b${mine.beta}"})
    config = load_run(received).config
    assert config.model.beta == 2.5
    assert config.mine.text == "b2.5"


@pytest.mark.parametrize("name", [CONFIG, RESULTS, "checkpoints/final.ckpt", ".lock"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(name, received):
    (received / name).unlink()
    os.mkfifo(received / name)
    if name == ".lock":
        assert not is_busy(received)
    elif name.endswith("ckpt"):
        for other in (received / "checkpoints").glob("step=*"):
            other.unlink()
        refused(received, "no readable checkpoint")
    elif name == CONFIG:
        refused(received, CONFIG)
    else:
        assert str(received) in read_runs_unreadable(received)


def read_runs_unreadable(run: Path) -> dict[str, str]:
    """The runs that `read_runs` cannot read."""
    with pytest.warns(UserWarning, match="cannot be read"):
        return read_runs(run).attrs["unreadable"]


@pytest.mark.parametrize("name", [CONFIG, RESULTS, "metrics.csv", "checkpoints"])
def test_what_lies_in_place_of_a_file_is_named_before_training(name, tmp_path):
    config = tiny_config(tmp_path)
    run = train(config)
    place = run / name
    if place.is_dir():
        shutil.rmtree(place)
        place.write_text("")
        (run / RESULTS).unlink()
    else:
        (run / RESULTS).unlink()
        place.unlink(missing_ok=True)
        place.mkdir()
    with pytest.raises(ResourceError, match=f"{name} is (a|no) folder") as error:
        train(config)
    assert len(str(error.value).splitlines()) == 1


def test_a_checkpoint_of_another_network_is_named_in_one_line(received):
    rewrite(received, "net.hidden", 7)
    for ask in (load_run, lambda run: evaluate_run(run, measuring())):
        with pytest.raises(DataError, match="does not fit its config") as error:
            ask(received)
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "link", ["config.yaml.part", "metrics.csv", "results.json", "progress.json"]
)
def test_training_writes_through_no_link(link, tmp_path):
    config = tiny_config(tmp_path)
    run = train(config)
    shutil.rmtree(run)
    run.mkdir()
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (run / link).symlink_to(mine)
    train(config)
    assert mine.read_text() == "precious"


@pytest.mark.parametrize(
    "text", ["", "- 1", "a: [", "a: &a [*a]", "a: !!python/name:os.open", "\0"]
)
def test_what_is_no_config_is_told_in_one_line(text, received):
    (received / CONFIG).write_text(text)
    refused(received, CONFIG)


# The caller's own packages


@pytest.fixture
def mypkg(tmp_path, monkeypatch):
    """A package with a network, which another was trained with."""
    (tmp_path / "own" / "mypkg").mkdir(parents=True)
    (tmp_path / "own" / "mypkg" / "__init__.py").write_text("")
    (tmp_path / "own" / "mypkg" / "nets.py").write_text(
        dedent("""
        import shutil
        import torch
        from vae_granularity.nets.mlp import MLP

        class Mine(MLP):
            pass
        """)
    )
    monkeypatch.syspath_prepend(tmp_path / "own")
    yield "mypkg.nets.Mine"
    for name in ("mypkg", "mypkg.nets"):
        sys.modules.pop(name, None)


def test_a_package_of_ones_own_is_named_by_the_caller(mypkg, received):
    rewrite(received, "net._target_", mypkg)
    refused(received, f"net names {mypkg}", "trust=[mypkg]")
    assert "mypkg" not in sys.modules, "it is not even imported"
    for trust in (["mypkg"], "mypkg", ("mypkg.nets",), [mypkg]):
        assert type(load_run(received, trust).model.net).__name__ == "Mine"
    evaluate_run(received, measuring("trust=[mypkg]"))
    with pytest.raises(DataError, match=r"trust=\[mypkg\]"):
        load_run(received, trust=["my", "mypkg.net"])


def test_what_a_trusted_package_has_imported_is_not_trusted(mypkg, received):
    for target in ("mypkg.nets.shutil.copyfile", "mypkg.nets.torch.load", "mypkg.nets.MLP"):
        rewrite(received, "net._target_", target)
        with pytest.raises(DataError, match=f"net names {target}"):
            load_run(received, trust=["mypkg"])
    rewrite(received, "net._target_", "mypkg.nothing.Here")
    with pytest.raises(DataError, match=r"mypkg\.nothing\.Here cannot be imported"):
        load_run(received, trust=["mypkg"])


@pytest.mark.parametrize("command, key", [(evaluate, "run"), (analyze, "runs")])
def test_the_commands_say_and_take_it(command, key, mypkg, received, monkeypatch, capsys):
    """Exit code 1 and one line without `trust`, nothing left to say with it."""
    rewrite(received, "net._target_", mypkg)
    options = {"run": [], "runs": ["udr=true", "figures=0"]}[key]
    seen = []
    for trust in ([], ["trust=[mypkg]"]):
        arguments = [f"{key}={received.parent}", *options, *trust]
        monkeypatch.setattr(sys, "argv", [command.__name__, *arguments])
        try:
            command.main()
            code = 0
        except SystemExit as stopped:
            code = stopped.code
        captured = capsys.readouterr()
        seen.append((code, "trust=[mypkg]" in captured.out + captured.err))
        assert "Traceback" not in captured.out + captured.err
    assert seen == ([(1, True), (0, False)] if key == "run" else [(0, True), (0, False)])


@pytest.mark.parametrize("way", ["--config-dir", "hydra.searchpath"])
def test_what_the_callers_own_yaml_files_name_is_trusted(way, mypkg, received, monkeypatch, capsys):
    rewrite(received, "net._target_", mypkg)
    conf = received.parents[1] / "own" / "mypkg" / "conf" / "net"
    conf.mkdir(parents=True)
    (conf / "mine.yaml").write_text(f"_target_: {mypkg}\nlatent_dim: 6\n")
    where = ["--config-dir", str(conf.parent)]
    if way == "hydra.searchpath":
        (conf.parent / "__init__.py").touch()
        where = ["hydra.searchpath=[pkg://mypkg.conf]"]
    monkeypatch.setattr(sys, "argv", ["evaluate", f"run={received}", *where])
    evaluate.main()
    assert "trust=" not in capsys.readouterr().err


# Without code


def test_a_checkpoint_that_is_a_pickle_is_not_unpickled(received, tmp_path):
    done = tmp_path / "executed"
    for path in (received / "checkpoints").iterdir():
        torch.save({"state_dict": Touch(done), "global_step": 1}, path)
    refused(received, "no readable checkpoint")
    for path in (received / "checkpoints").iterdir():
        path.write_bytes(pickle.dumps(Touch(done)))
    refused(received, "no readable checkpoint")
    assert not done.exists()


def test_an_analysis_calls_nothing_foreign_for_missing_pictures(received, tmp_path, monkeypatch):
    rewrite(received, "net", payload("hub", tmp_path / "victim"))
    for more in ([], ["profile=true", "udr=true"]):
        monkeypatch.setattr(sys, "argv", ["analyze", f"runs={received.parent}", "figures=0", *more])
        analyze.main()
    page = (received.parent / "analysis" / "report.html").read_text()
    assert "net names torch.hub.load" in page
    assert not has_happened("hub", tmp_path / "victim")


@pytest.mark.parametrize("name", ["{victim}/kept", "../../../victim/kept", 7, None, "a/b"])
def test_a_name_that_is_a_path_writes_nothing_elsewhere(
    name, received, tmp_path, monkeypatch, capsys
):
    (tmp_path / "victim").mkdir()
    kept = tmp_path / "victim" / "kept.npz"
    kept.write_bytes(b"precious")
    results = json.loads((received / RESULTS).read_text())
    results["run"]["name"] = name.format(victim=kept.parent) if isinstance(name, str) else name
    (received / RESULTS).write_text(json.dumps(results))
    monkeypatch.setattr(sys, "argv", ["analyze", f"runs={received.parent}", "profile=true"])
    with pytest.raises(SystemExit):
        analyze.main()
    assert "run.name is" in capsys.readouterr().err
    assert kept.read_bytes() == b"precious"
    assert [path.name for path in kept.parent.iterdir()] == ["kept.npz"]


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("figures", "figures is a link that leads out"),
        ("results.json", "results.json is a link that leads out"),
        (".lock", ".lock is a link that leads out"),
        # Only read: what lies there is no checkpoint of the run.
        ("checkpoints", "has no readable checkpoint"),
        # Not written: nobody can foresee the names of unfinished files.
        ("results.json.part", None),
        ("analysis", "analysis is a link that leads out"),
    ],
)
def test_nothing_is_written_through_links(link, message, received, tmp_path, monkeypatch, capsys):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    if link == "analysis":
        (received.parent / link).symlink_to(victim)
        monkeypatch.setattr(sys, "argv", ["analyze", f"runs={received.parent}"])
        with pytest.raises(SystemExit):
            analyze.main()
        assert message in capsys.readouterr().err
    else:
        if (received / link).is_dir():
            shutil.rmtree(received / link)
        (received / link).unlink(missing_ok=True)
        (received / link).symlink_to(victim if "." not in link else victim / "precious")
        if message is None:
            evaluate_run(received, measuring())
        else:
            with pytest.raises(DataError, match=message):
                evaluate_run(received, measuring())
    assert [path.name for path in victim.iterdir()] == ["precious"]
    assert (victim / "precious").read_text() == "precious"


def test_a_pack_that_was_changed_is_not_trained(tmp_path):
    """Packs lie in the output folder, which others may share: their names are hashes of them."""
    file = write_pack(tmp_path, [tiny_config(tmp_path)], "alone", 1)
    file.write_text(file.read_text().replace("vae_granularity.nets.mlp.MLP", "os.system"))
    with pytest.raises(DataError, match="was changed after it was written"):
        train_pack(file)
    assert not (tmp_path / "runs").exists()


def test_jobs_of_a_cluster_are_not_pickled_into_the_output_folder():
    """submitit's jobs run what lies in their folder: not one that others may share."""
    for launcher in ("slurm", "processes"):
        path = Path(__file__).parents[2] / "conf" / "hydra" / "launcher" / f"{launcher}.yaml"
        folder = OmegaConf.to_container(OmegaConf.load(path))["submitit_folder"]
        assert folder.startswith("${oc.env:HOME}/.cache/")
