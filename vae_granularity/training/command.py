"""The command line that trains a finished run again, from the overrides that it has recorded.

A record may come from someone else, and whoever reads the report may paste its command: recorded
overrides only choose options of this program and set plain values.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vae_granularity.errors import DataError
from vae_granularity.runs.config_file import REFERENCE
from vae_granularity.runs.identity import flat, identity, short_digest
from vae_granularity.runs.table import read_results
from vae_granularity.runs.trust import targets
from vae_granularity.training.config import compose, config_dir

PLAIN = re.compile(r"[\w.+/-]+")  # words that Hydra's grammar takes without quotes
OPTION = re.compile(r"\w[\w-]*")  # the name of a yaml file, no path to one elsewhere
MEASURING = "evaluation"


def command(overrides: Iterable[str]) -> str:
    """Return the whole command of some overrides, quoted for a shell.

    >>> command(["model=stcvae", "model.partition=[1,2]"])
    "python -m vae_granularity.train model=stcvae 'model.partition=[1,2]'"
    """
    return shlex.join(["python", "-m", "vae_granularity.train", *overrides])


def overrides_of_run(directory: str) -> list[str] | None:
    """Return `recorded_overrides` of a finished run; None where it has none that can be used."""
    try:
        return recorded_overrides(directory)
    except (DataError, OSError):
        return None


def recorded_overrides(directory: str) -> list[str]:
    """Return the overrides that train and measure a finished run again, beside it.

    They compose the config that the run has, in this version and without options of other packages.

    Raises:
        DataError: the run's results cannot be read, it recorded no overrides, or some that do not
            compose its config or ask for more than options of this program and plain values.
        FileNotFoundError: the run has no results.
    """
    results = read_results(directory)
    recorded = results["run"].get("overrides")
    if recorded is None:
        raise DataError("the run is of a version that did not record its overrides")
    if not isinstance(recorded, list) or not all(
        isinstance(override, str) for override in recorded
    ):
        raise DataError(f"the overrides that the run recorded are no list of texts: {recorded!r}")
    _check_overrides(recorded)
    config: dict[str, Any] = results["config"]
    overrides = _without_key(recorded, "paths.output_dir")
    try:
        source = config["dataset"].get("source")
        # `auto` was resolved when the run began; today it might resolve to another source.
        if _composed(tuple(overrides))["dataset"].get("source") == "auto" and source != "auto":
            overrides = _without_key(overrides, "dataset.source")
            overrides.append(f"dataset.source={source}")
            _check_overrides(overrides)
        composed = _composed(tuple(overrides))
        differing = _first_difference(config, composed)
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"its config is not as this version writes it: {error!r}") from error
    if differing is not None:
        raise DataError(f"the overrides that the run recorded compose another {differing} than its")
    folder = str(Path(directory).parent)
    overrides.append(f"paths.output_dir={value_text(folder)}")
    _check_overrides(overrides)
    return overrides


def _without_key(overrides: list[str], key: str) -> list[str]:
    return [text for text in overrides if text.lstrip("+~").partition("=")[0] != key]


def _check_overrides(overrides: list[str]) -> None:
    """Refuse overrides that do more than to choose options of this program and set plain values.

    Raises:
        DataError: names the override.
    """
    # References read the environment, and a dash begins a flag of Hydra.
    for text in overrides:
        if not text.isprintable() or REFERENCE in text or text.startswith("-"):
            raise DataError(f"the run recorded the override {text!r}, which no command repeats")
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except (HydraException, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"the overrides that the run recorded cannot be read: {reason}") from error
    for text, override in zip(overrides, parsed, strict=True):
        group = config_dir() / override.key_or_group
        names = override.value() if group.is_dir() else []
        options = names if isinstance(names, list) else [names]
        # A name with a slash is a path to a yaml file that someone else may have written.
        is_ours = override.key_or_group.replace("/", ".").split(".")[0] in _changeable_keys()
        if (
            not is_ours
            or override.is_sweep_override()
            or not all(name is None or OPTION.fullmatch(str(name)) for name in options)
        ):
            raise DataError(f"the run recorded the override {text!r}, which no command repeats")


@cache
def _changeable_keys() -> frozenset[str]:
    """Return the top keys of a config that overrides may change: neither `hydra` nor `pack`."""
    folders = {path.name for path in config_dir().iterdir() if path.is_dir()} - {"hydra"}
    return frozenset({*folders, "seed", "paths"})


@cache
def _targets_of_options() -> frozenset[str]:
    """Return the names of what the options of this program build."""
    names: set[str] = set()
    for path in config_dir().rglob("*.yaml"):
        names.update(re.findall(r"_target_:\s*([\w.]+)", path.read_text(encoding="utf-8")))
    return frozenset(names)


@lru_cache(maxsize=64)
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    try:
        config: Any = OmegaConf.to_container(compose("train", list(overrides)), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"the overrides that the run recorded do not compose: {reason}") from error
    for key, target in targets(config):
        if target not in _targets_of_options():
            raise DataError(f"the overrides that the run recorded build {target} as {key}")
    return config


def _first_difference(config: Mapping[str, Any], composed: Mapping[str, Any]) -> str | None:
    """Return the first key, of those that decide weights and what is measured, with another value
    in the two configs."""
    recorded = dict(flat({**identity(config), MEASURING: config[MEASURING]}))
    again = dict(flat({**identity(composed), MEASURING: composed[MEASURING]}))
    for key in sorted({*recorded, *again}):
        # The digest, unlike ==, takes a list for a tuple and 4 for 4.0.
        before = short_digest([recorded.get(key), key in recorded])
        if before != short_digest([again.get(key), key in again]):
            return key
    return None


def value_text(value: Any) -> str:
    """Return a value in Hydra's grammar of overrides.

    >>> value_text(None), value_text([1, 0.5]), value_text({"end": 4}), value_text("a b")
    ('null', '[1,0.5]', '{end:4}', '"a b"')
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, Mapping):
        inside = ",".join(f"{key}:{value_text(child)}" for key, child in value.items())
        return f"{{{inside}}}"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(value_text, value))}]"
    text = str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
