"""Every command of the README runs, with a debug budget, one after the other in one folder.

Those on MNIST read the real files beside the checkout.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import commands
import pytest
from tiny import options

from vae_granularity.training.config import compose

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^python -m (vae_granularity\.\S+)(.*)$", README, re.MULTILINE)
ENDS = {  # what a command that came to its end has printed
    "vae_granularity.train": "done: ",
    "vae_granularity.evaluate": "computed: ",
    "vae_granularity.analyze": "done: ",
    "vae_granularity.data": "contact sheet",
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """One folder for all commands: `evaluate run=runs` measures what the first of them trained."""
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize(
    "module, arguments",
    COMMANDS,
    ids=[f"{m.split('.')[1]}-{i}" for i, (m, _) in enumerate(COMMANDS)],
)
def test_command(workplace, request, module, arguments):
    words = shlex.split(arguments, comments=True)
    if module.endswith(".train"):
        words = [word for word in words if not word.startswith("trainer=")]
        words += ["trainer=debug", "logger=csv"]
        if "dataset=mnist" in words:
            words.append(f"dataset.data_dir={request.getfixturevalue('shared_data') / 'mnist'}")
    # Scores that draw from the whole grid encode most of it.
    cheap = {"metrics=full": "metrics=[active_units,infomec]"}
    cheap["metrics=[mig,dci]"] = "metrics=[mig,sap]"  # the published DCI fits boosted trees
    words = [cheap.get(word, word) for word in words]
    if "-m" in words:  # one point of a sweep
        words = [re.sub(r"(=[^,\[{]*),.*", r"\1", word) for word in words]
    long = any(word.startswith("sweep=") for word in words)
    if long or module.endswith(".dashboards"):  # needs hours, or a login
        words += ["--cfg", "job"]
    elif module.endswith(".evaluate") and not (workplace / "runs").exists():
        pytest.skip("nothing was trained before it")
    process = commands.start_module(module, workplace / request.node.name, *words, cwd=workplace)
    process.join(timeout=180)
    said = commands.output(workplace / request.node.name)
    assert process.exitcode == 0, said
    assert "--cfg" in words or ENDS[module] in said


def test_the_make_targets_named_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)) <= targets


def test_the_model_table_names_every_model():
    models = {
        path.stem
        for path in (ROOT / "conf" / "model").glob("*.yaml")
        if not path.stem.startswith("_")
    }
    table = README[README.index("## Models") : README.index("## Where things are")]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) - {"model"} == models


@pytest.mark.parametrize("model", options("model"))
def test_the_model_table_names_the_hyperparameters_of_the_config(model):
    row = next(line for line in README.splitlines() if line.startswith(f"| `{model}`"))
    shared = {"_target_", "latent_dim", "granularity", "partition", "estimator"}
    assert (
        set(re.findall(r"`(\w+)`", row)) - {model}
        == set(compose("train", [f"model={model}"]).model) - shared
    )


def test_the_file_tree_names_files_that_exist():
    tree = README[README.index("## Where things are") : README.index("## Licence")]
    lines = [line for line in tree.splitlines() if line.startswith("    ")]
    assert len(lines) <= 30
    for line in lines:
        inside = ROOT / "vae_granularity" if line.startswith(" " * 6) else ROOT
        names = re.split(r"\s{3,}", line.strip())[0].split()
        missing = [name for name in names if not (inside / name).exists()]
        assert names
        assert not missing, missing
