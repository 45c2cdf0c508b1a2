"""Every command of the README and of the quick start runs, with a debug budget, one after
the other in one folder; those of the other pages compose.

Those on MNIST read the real files beside the checkout.
"""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import commands as processes
import numpy as np
import pytest
from pages import PAGES, README, ROOT, Command, blocks, commands
from tiny import options

from vae_granularity import answer
from vae_granularity.runs.build import build
from vae_granularity.training.config import check_training_config, compose

RUN = (README, ROOT / "docs" / "quickstart.md")
ENDS = {  # what a command that came to its end has printed
    "vae_granularity.train": "done",  # or done before
    "vae_granularity.evaluate": "computed: ",
    "vae_granularity.analyze": "done: ",
    "vae_granularity.data": "contact sheet",
}
CHEAP = {  # scores that draw from the whole grid encode most of it; the published DCI fits trees
    "metrics=full": "metrics=[active_units,infomec]",
    "metrics=[mig,dci]": "metrics=[mig,sap]",
    "run=runs/*_b10_*": "run=runs/*_b4_*",
}


def first_point(word: str) -> str:
    """`model.beta=1,4` becomes `model.beta=1`; lists and schedules stay, intervals and ranges
    of a sweep become nothing.
    """
    return "" if re.search(r"=\w+\(", word) else re.sub(r"(=[^,\[{]*),.*", r"\1", word)


def points(words: tuple[str, ...]) -> list[list[str]]:
    """All points of a sweep over plain values: `a=1,2 b=3` are `[a=1, b=3]` and `[a=2, b=3]`."""
    plain = [word.partition("=") for word in words if not re.search(r"[\[{(]", word)]
    each = [[f"{key}={value}" for value in values.split(",")] for key, _, values in plain if values]
    return [list(point) for point in itertools.product(*each)]


def is_sweep(command: Command) -> bool:
    return "-m" in command.words or any(word.startswith("sweep=") for word in command.words)


def shortened(command: Command) -> list[str]:
    """The same command for seconds: a debug run, cheap metrics, one point of a sweep."""
    words = [CHEAP.get(word, word) for word in command.words]
    if command.module.endswith(".train"):
        words = [first_point(word) for word in words if not word.startswith("trainer=")]
        words = [word for word in words if word]
        # The quick start by the default logger, as it stands there; the rest by the cheapest.
        quick_start = command.page.endswith("quickstart.md")
        words += ["trainer=debug", "logger.mode=offline" if quick_start else "logger=csv"]
        if is_sweep(command) or command.page != "README.md":  # drawn once: pictures take a second
            words.append("evaluation.figures=false")
    return words


def to_run() -> list[Command]:
    """Commands that run: what differs only in its budget runs once, and what needs hours or a
    login is left to composition.
    """
    known: dict[tuple[str, ...], Command] = {}
    for command in [command for page in RUN for command in commands(page)]:
        named = any(word.startswith("sweep=") for word in command.words)
        if not named and not command.module.endswith(".dashboards"):
            known.setdefault((command.module, *shortened(command)), command)
    return list(known.values())


def named(command: Command) -> str:
    return f"{command.page}: {command.module.split('.')[1]} {' '.join(command.words)}"[:90]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """One folder for all commands: `evaluate run=runs` measures what the first of them trained."""
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("command", to_run(), ids=named)
def test_command(workplace, request, command):
    words = shortened(command)
    if "dataset=mnist" in words:
        words.append(f"dataset.data_dir={request.getfixturevalue('shared_data') / 'mnist'}")
    if command.module.endswith(".evaluate") and not (workplace / "runs").exists():
        pytest.skip("nothing was trained before it")
    folder = workplace / re.sub(r"\W+", "_", request.node.name)
    process = processes.start_module(command.module, folder, *words, cwd=workplace)
    process.join(timeout=180)
    said = processes.output(folder)
    assert process.exitcode == 0, said
    assert ENDS[command.module] in said


TRAIN = [command for page in RUN for command in commands(page) if command.module.endswith("train")]


@pytest.mark.parametrize("command", TRAIN, ids=named)
def test_no_point_of_a_first_command_pays_for_collapse(command):
    words = tuple(word for word in command.words if not word.startswith(("dataset", "paths")))
    for point in points(words):
        cfg = compose("train", [*point, "dataset=blocks", "net=mlp"])
        assert build(cfg)[0].warnings(cfg.trainer.max_steps) == [], point


def test_the_python_of_the_readme_runs_on_what_its_commands_trained(workplace, monkeypatch):
    if not (workplace / "runs").exists():
        pytest.skip("nothing was trained before it")
    monkeypatch.chdir(workplace)
    rng = np.random.default_rng(0)
    own = {"codes": rng.normal(size=(200, 10)), "factors": rng.integers(3, size=(200, 2))}
    for text in blocks(README, "python") + blocks(ROOT / "docs" / "quickstart.md", "python"):
        exec(text, own)
    assert len(own["table"]) >= 1
    assert own["run"].results["terms"]


ALL = [command for page in PAGES for command in commands(page)]


@pytest.mark.parametrize("command", ALL, ids=named)
def test_a_command_composes(command):
    text = re.sub(r"--(cfg|package|info) \w+", "", " ".join(map(shlex.quote, command.words)))
    words = [word for word in shlex.split(text) if not word.startswith("-") and word != "…"]
    if any(word.startswith("hydra.searchpath=") for word in words):
        pytest.skip("of a package that the reader has: examples/my_study/tests")
    name = command.module.rpartition(".")[2]
    if name == "data":  # its first word is a verb, tests/data/test_command.py
        compose("train", words[1:])
    elif name == "answer":
        compose("train", answer.split_arguments(words)[1])
    elif name == "train":
        check_training_config(compose("train", [*filter(None, map(first_point, words))]))
    else:
        compose(name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_of_a_page_is_python(page):
    for text in blocks(page, "python"):
        compile(text, str(page), "exec")


def test_the_make_targets_named_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text() for page in PAGES)
    asked = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    assert {"train", "test", "docs"} <= asked <= targets


MODELS = (ROOT / "docs" / "models.md").read_text()


def test_the_model_tables_name_every_model():
    whole = MODELS[MODELS.index("## All of them") : MODELS.index("## One by one")]
    assert set(re.findall(r"^\| `(\w+)`", whole, re.MULTILINE)) - {"model"} == set(options("model"))
    which = MODELS[MODELS.index("## Start from") : MODELS.index("## All of them")]
    each = MODELS[MODELS.index("## One by one") : MODELS.index("## Dials")]
    for model in options("model"):
        assert f"`{model}`" in which
        assert re.search(rf"^\*\*.*`{model}`.*\*\*", each, re.MULTILINE), model


@pytest.mark.parametrize("model", options("model"))
def test_the_model_table_names_the_hyperparameters_of_the_config(model):
    row = [line for line in MODELS.splitlines() if line.startswith(f"| `{model}`")][-1]
    shared = {"_target_", "latent_dim", "granularity", "partition", "estimator"}
    assert (
        set(re.findall(r"`(\w+)`", row)) - {model}
        == set(compose("train", [f"model={model}"]).model) - shared
    )


@pytest.mark.parametrize(
    "page, group", [("data", "dataset"), ("published", "experiment"), ("sweeps", "hydra/launcher")]
)
def test_a_page_names_every_option_of_its_group(page, group):
    text = (ROOT / "docs" / f"{page}.md").read_text()
    assert not [name for name in options(group) if name not in text]


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 90


def test_the_file_tree_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    tree = text[text.index("## Where things are") : text.index("## Where something new goes")]
    lines = [line for line in tree.splitlines() if line.startswith("    ")]
    assert len(lines) <= 30
    for line in lines:
        inside = ROOT / "vae_granularity" if line.startswith(" " * 6) else ROOT
        names = re.split(r"\s{3,}", line.strip())[0].split()
        missing = [name for name in names if not (inside / name).exists()]
        assert names
        assert not missing, missing
