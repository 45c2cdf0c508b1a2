"""Config values against the annotations of what they are passed to, before anything is built."""

import difflib
import gc
import inspect
import json
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, Union, Unpack, get_args, get_origin, get_type_hints

from hydra.errors import InstantiationException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.partitions.schedules import Scheduled

HYDRA = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}
# (lowest, highest, whether the lowest itself is left out) of what other libraries take without
# looking; our own constructors check theirs.
RANGES: dict[str, tuple[float, float, bool]] = {
    "optimizer.lr": (0.0, math.inf, True),
    "optimizer.weight_decay": (0.0, math.inf, False),
    "optimizer.eps": (0.0, math.inf, False),
    "optimizer.momentum": (0.0, math.inf, False),
    "trainer.gradient_clip_val": (0.0, math.inf, False),
    "trainer.max_steps": (1, math.inf, False),
    "trainer.num_nodes": (1, math.inf, False),
    "trainer.accumulate_grad_batches": (1, math.inf, False),
    # A hundredfold reward of dependence drowns the other terms.
    "model.within_group_weight": (-100.0, 100.0, False),
    "evaluation.every": (1, math.inf, False),
    "callbacks.terms.every": (1, math.inf, False),
    "callbacks.checkpoint.save_top_k": (-1, math.inf, False),
    "callbacks.checkpoint.every_n_train_steps": (1, math.inf, False),
    "callbacks.best.every_n_train_steps": (1, math.inf, False),
}
# What we read ourselves before a constructor of another library sees it.
OTHER_TYPES = {"optimizer.lr": Scheduled}
# Nodes that a run read back is built from; training builds the trainer, callbacks and loggers too.
BUILT_NODES = ("model", "net", "dataset", "likelihood", "optimizer", "evaluation", "metrics")
NODES = ("model", "net", "dataset", "likelihood", "optimizer", "evaluation", "trainer")
WORDS = {int: "an integer", float: "a number", bool: "true or false", str: "text", Path: "a path"}
WORDS |= {type(None): "null", dict: "a mapping", list: "a list"}


def check_types(config: DictConfig, groups: Sequence[str] | None = None) -> None:
    """Check every node with a `_target_` against what it names; whole floats become integers.

    Args:
        config: of a run or command.
        groups: top-level keys that are checked; None for all.

    Raises:
        ArgumentError: names the key, its value and what is expected, or a key that is not taken.
    """
    plain: Any = OmegaConf.to_container(config, resolve=True)
    if groups is not None:
        plain = {key: plain[key] for key in groups if key in plain}
    for group in NODES:
        if group in plain and not (isinstance(plain[group], dict) and "_target_" in plain[group]):
            raise ArgumentError(f"{group} must be an option of its group, got {plain[group]!r}")
    for group in ("callbacks", "metrics"):
        for name, node in (mapping(group, plain.get(group)) or {}).items():
            mapping(f"{group}.{name}", node)
    for key, node in _nodes(plain):
        for name, value in _checked(key, node):
            OmegaConf.update(config, f"{key}.{name}", value)
    for key, (low, high, above) in RANGES.items():
        value = OmegaConf.select(config, key)
        if isinstance(value, (int, float)):
            if isinstance(low, int) and isinstance(value, int):
                integer(key, value, low)
            else:
                number(key, value, low, high, above=above)


def check_values(values: Mapping[str, Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    """Flat config values against types by name; returns them with whole floats as integers.

    >>> check_values({"seed": 1e3}, {"seed": int})
    {'seed': 1000}

    Raises:
        ArgumentError: names the key, its value and the expected type.
    """
    return {name: checked(name, value, hints.get(name, Any)) for name, value in values.items()}


def checked(key: str, value: Any, hint: Any) -> Any:
    """`value` if it is of the annotated type, and finite; 1000.0 is the integer 1000 where one is
    asked for.

    Raises:
        ArgumentError: names the key, its value and the expected type.
    """
    if any(isinstance(x, float) and not math.isfinite(x) for x in _numbers(value)):
        raise ArgumentError(f"{key} must be finite, got {value!r}")
    validate = _validation(hint)
    whole = [int(value)] if isinstance(value, float) and value.is_integer() else []
    for candidate in (value, *whole):
        try:
            validate(json.dumps(candidate))
        except (TypeError, ValueError):  # pydantic's is a ValueError
            continue
        return candidate
    raise ArgumentError(f"{key} must be {words(hint)}, got {value!r}")


def mapping(key: str, value: Any) -> Any:
    """Return `value` if it is a mapping or null.

    Raises:
        ArgumentError: it is neither.
    """
    if value is not None and not isinstance(value, Mapping):
        raise ArgumentError(f"{key} must be a mapping or null, got {value!r}")
    return value


def words(hint: Any) -> str:
    """Return an annotation in words.

    >>> words(float | None), words(list[int])
    ('a number or null', 'a list of integers')
    """
    origin = get_origin(hint)
    args = get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(filter(None, dict.fromkeys(map(words, args))))
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if hint in WORDS:
        return WORDS[hint]
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "a mapping"
    if origin is not None and origin is not type and args:
        inside = words(args[0]).removeprefix("an ").removeprefix("a ")
        return f"a list of {inside}s" if inside != "text" else "a list of texts"
    if inspect.isclass(hint) and hint.__module__.split(".")[0] in ("torch", "lightning"):
        return ""
    return str(getattr(hint, "__name__", hint))


def _nodes(node: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield key, node
        for name, value in node.items():
            yield from _nodes(value, f"{key}.{name}" if key else str(name))


def _checked(key: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and value of the entries of a node that the check converted."""
    try:
        target = get_object(node["_target_"])
    except (InstantiationException, ImportError, ValueError, TypeError) as error:
        raise ArgumentError(
            f"{key}._target_ must name a class or function, got {node['_target_']!r}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    hints = parameters(target)
    for name, value in node.items():
        if name in HYDRA:
            continue
        if hints is not None and name not in hints:
            near = difflib.get_close_matches(str(name), hints, n=1)
            meant = (
                f", did you mean '{key}.{near[0]}'?" if near else f"; it takes {', '.join(hints)}"
            )
            raise ArgumentError(f"{key}.{name} is no key: {key} takes no {name}{meant}")
        if hints is None or next(_nodes(value), None) is not None:
            continue
        path = f"{key}.{name}"
        converted = checked(path, value, OTHER_TYPES.get(path, hints[name]))
        if type(converted) is not type(value):
            yield name, converted


def parameters(target: Any) -> dict[str, Any] | None:
    """Return annotations by name of the parameters; None where any keyword is taken.

    The keys of `**options: Unpack[Options]` (PEP 692) are among them.
    """
    function = target.__init__ if inspect.isclass(target) else target
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # annotations for type checkers alone
        hints = {}
    annotations: dict[str, Any] = {}
    for name, parameter in inspect.signature(target).parameters.items():
        hint = hints.get(name, Any)
        if parameter.kind is parameter.VAR_KEYWORD:
            if get_origin(hint) is not Unpack:
                return None
            annotations |= get_type_hints(get_args(hint)[0])
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            annotations[name] = hint
    return annotations


@contextmanager
def _without_collections() -> Iterator[None]:
    """Disable the garbage collector while pydantic is imported, which saves 0.2 s."""
    # A pass over all objects of torch takes 0.2 s; the import that sets it off a fifth of that.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@cache
def _validation(hint: Any) -> Callable[[str], Any]:
    """Return the validator of JSON text for an annotation; json.loads where pydantic has none."""
    with _without_collections():
        from pydantic import ConfigDict, TypeAdapter
        from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

    # Dataclasses and typed mappings carry a config of their own and refuse another.
    for config in (ConfigDict(arbitrary_types_allowed=True), None):
        try:
            return partial(TypeAdapter(hint, config=config).validate_json, strict=True)
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError):
            continue
    return json.loads


def _numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _numbers(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(item)
    else:
        yield value
