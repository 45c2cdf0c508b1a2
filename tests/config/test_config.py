"""Config and code stay together: every option composes, every key is a parameter, nothing else sets
Hydra's own values.
"""

from __future__ import annotations

import inspect
import re
from itertools import zip_longest
from pathlib import Path
from typing import Any, Unpack, get_args, get_origin, get_type_hints

import pytest
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from tiny import options, tiny_config

import vae_granularity
from vae_granularity.training.config import compose, config_dir

GROUPS = sorted(
    path.name for path in config_dir().iterdir() if path.is_dir() and path.name != "hydra"
)
OF_GROUPS = {group: [f"{group}={option}" for option in options(group)] for group in GROUPS}
# Composing takes its time: the first options of all groups together, then the second ones …;
# those that set keys of other groups' options each alone.
PRESETS = [(option,) for group in ("experiment", "sweep") for option in OF_GROUPS.pop(group)]
TOGETHER = [*PRESETS, *(tuple(filter(None, row)) for row in zip_longest(*OF_GROUPS.values()))]
HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def target_nodes(node: Any, path: str = "") -> list[tuple[str, DictConfig]]:
    """All nodes with a `_target_`, at any depth."""
    if not isinstance(node, DictConfig):
        return []
    found = [(path, node)] if "_target_" in node else []
    return found + [
        hit for key in node for hit in target_nodes(node[key], f"{path}.{key}".lstrip("."))
    ]


def parameters_of(target: Any) -> set[str]:
    """Names that may be passed: for `**options: Unpack[Options]` (PEP 692) the keys of Options."""
    names = set()
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            names.add(name)
            continue
        hint = get_type_hints(target.__init__ if inspect.isclass(target) else target)[name]
        if get_origin(hint) is Unpack:
            names |= set(get_type_hints(get_args(hint)[0]))
    return names


def test_options_passed_through_count_as_parameters_and_a_plain_kwargs_does_not():
    from vae_granularity.data.mpi3d import MPI3D

    def plain(a: int, **others: int) -> None: ...

    assert {"variant", "factor_sizes", "hub_id", "batch_size"} < parameters_of(MPI3D)
    assert "options" not in parameters_of(MPI3D)
    assert parameters_of(plain) == {"a"}


@pytest.mark.parametrize("chosen", TOGETHER, ids=" ".join)
def test_every_option_composes_and_its_keys_are_parameters(chosen):
    cfg = compose("train", list(chosen))
    OmegaConf.to_container(cfg, resolve=True)
    for path, node in target_nodes(cfg):
        unknown = set(node) - HYDRA_KEYS - parameters_of(get_object(node._target_))
        assert not unknown, f"{path}: {node._target_} has no parameters {unknown}"


def test_only_the_places_that_may_set_hydra_values_do():
    """Inside an option that is itself swept, Hydra ignores them silently."""
    allowed = set(config_dir().glob("*.yaml"))  # those of the commands
    for path in config_dir().rglob("*.yaml"):
        if path in allowed or {"sweep", "hydra"} & set(path.relative_to(config_dir()).parts):
            continue
        assert not re.search(
            r"^\s*hydra:|hydra\.|override /?hydra", path.read_text(), re.MULTILINE
        ), path


def test_beta_and_granularity_stand_in_the_config_once():
    text = OmegaConf.to_yaml(compose("train", []))
    assert len(re.findall(r"^\s*beta:", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^\s*granularity:", text, re.MULTILINE)) == 1


MET = ("model", "net", "likelihood")
ROWS = [
    [f"{group}={name}" for group, name in zip(MET, row, strict=True) if name]
    for row in zip_longest(*map(options, MET))
]


@pytest.fixture(scope="module")
def data_sets():
    """The nodes of data sets of one channel, of three, and of another size."""
    return [compose("train", [f"dataset={n}"]).dataset for n in ("dsprites", "shapes3d", "mnist")]


@pytest.mark.parametrize("choice", ROWS, ids=" ".join)
def test_every_model_network_and_likelihood_builds_for_every_shape_of_image(
    tmp_path, data_sets, choice
):
    """The three meet only in the base class, so that one of each kind at a time is enough."""
    from vae_granularity.runs.build import build

    config = compose("train", [*choice, f"paths.data_dir={tmp_path}"])
    for data in data_sets:
        config.dataset = data
        built, module = build(config)
        assert built.net.image_shape == module.image_shape
        assert built.net.num_parameters > 0


def test_the_data_set_names_its_likelihood_unless_told_otherwise(tmp_path):
    assert compose("train", ["dataset=shapes3d"]).likelihood._target_.endswith("Bernoulli")
    assert tiny_config(tmp_path).likelihood._target_.endswith("Gaussian")
    assert tiny_config(tmp_path, "likelihood=bernoulli").likelihood._target_.endswith("Bernoulli")


def test_every_file_of_the_package_that_is_a_choice_has_a_yaml():
    """A model, network or data set is one file and one yaml, of the same name."""
    package = Path(vae_granularity.__file__).parent
    for room, group, helpers in (
        ("models", "model", {"base", "gaussian_vae", "discriminator"}),
        ("nets", "net", {"base"}),
    ):
        files = {path.stem for path in (package / room).glob("*.py")} - helpers - {"__init__"}
        assert files == set(options(group))
