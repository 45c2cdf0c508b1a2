"""The command line that trains a finished run again, from its config."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf

from vae_granularity.errors import DataError
from vae_granularity.runs.identity import identity, option_name
from vae_granularity.runs.table import read_results
from vae_granularity.training.config import compose, config_dir

PLAIN = re.compile(r"[\w.+-]+")  # words that Hydra's grammar takes without quotes
FIRST = ("seed", "model", "dataset")  # other parts take values from these
BY_CLASS = ("net", "likelihood", "optimizer")


def command(overrides: Iterable[str]) -> str:
    """The whole command of some overrides, quoted for a shell.

    >>> command(["model=stcvae", "model.partition=[1,2]"])
    "python -m vae_granularity.train model=stcvae 'model.partition=[1,2]'"
    """
    return shlex.join(["python", "-m", "vae_granularity.train", *overrides])


def overrides_of(config: Mapping[str, Any], also: Iterable[str] = ()) -> list[str] | None:
    """Overrides that compose the part of a run's resolved config that decides its weights: options,
    and the keys that differ from their defaults. None where an option is not one of ours.

    Args:
        also: further parts of the config, such as `evaluation`, which decides what compares.
    """
    options = [f"{group}={option_name(config, group)}" for group in ("model", "dataset")]
    for group in BY_CLASS:
        found = _options(group).get(config[group]["_target_"])
        if found is None:
            return None
        options.append(f"{group}={found}")
    wanted = identity(config)
    wanted |= {part: config[part] for part in also if part in config}
    wanted.get("trainer", {}).pop("processes", None)  # as many as the machine is asked for
    given: list[str] = []
    try:
        for parts in (FIRST, tuple(wanted)):
            known = _composed(tuple(options + given))
            given += _changes(known, {part: wanted[part] for part in parts if part in wanted})
    except HydraException:
        return None
    return options + given


def overrides_of_run(directory: str, also: Iterable[str] = ()) -> list[str] | None:
    """`overrides_of` the config of a finished run; None where its results cannot be read either."""
    try:
        return overrides_of(read_results(directory)["config"], also)
    except (DataError, KeyError, OSError):
        return None


@lru_cache(maxsize=64)
def _composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(compose("train", list(overrides)), resolve=True)
    return config


def _changes(
    known: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    for key, value in wanted.items():
        inside = known.get(key)
        if isinstance(value, Mapping) and isinstance(inside, Mapping):
            yield from _changes(inside, value, f"{prefix}{key}.")
        elif key not in known or inside != value:
            yield f"{'' if key in known else '+'}{prefix}{key}={value_text(value)}"


def value_text(value: Any) -> str:
    """A value in Hydra's grammar of overrides.

    >>> value_text(None), value_text([1, 0.5]), value_text({"end": 4}), value_text("a b")
    ('null', '[1,0.5]', '{end:4}', '"a b"')
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, Mapping):
        inside = ",".join(f"{key}:{value_text(one)}" for key, one in value.items())
        return f"{{{inside}}}"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(value_text, value))}]"
    text = str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text)


@lru_cache(maxsize=8)
def _options(group: str) -> dict[str, str]:
    """Class to the first option of a group that builds it: `{"…mlp.MLP": "mlp"}`."""
    found: dict[str, str] = {}
    for path in sorted((config_dir() / group).glob("*.yaml")):
        node: Any = OmegaConf.load(path)
        target = node.get("_target_")
        if target is not None:
            found.setdefault(target, path.stem)
    return found
