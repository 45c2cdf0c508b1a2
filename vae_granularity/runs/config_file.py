"""A config from a YAML file that someone else may have written: plain values of its own keys.

Its references are followed here, and not by OmegaConf, whose resolvers read the environment, files
and whatever else the packages of this process have registered.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf._utils import get_yaml_loader
from omegaconf.errors import OmegaConfBaseException
from omegaconf.grammar_parser import parse
from omegaconf.grammar_visitor import GrammarVisitor

from vae_granularity.errors import DataError
from vae_granularity.files import read_regular_file

MAX_BYTES = 1 << 18  # a config of ours has about 6000
MAX_NESTED = 50  # mappings and lists in one another; ours has 6
MAX_VALUES = 10_000  # and, once references are followed, letters of the texts with references
MAX_CHAIN = 20  # references that lead to references
MAX_REFERENCE = 1000  # letters of a text with references
REFERENCE = "${"
# The parser of libyaml, where PyYAML has it, is fifty times as fast.
PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_config(path: Path) -> dict[str, Any]:
    """Return the config of a YAML file with its references replaced by what they refer to.

    Raises:
        DataError: it cannot be read, is no config, could unpack to anything (a bomb), or asks for
            more than other keys of its own.
    """
    try:
        text = read_regular_file(path, MAX_BYTES).decode()
        _check_events(text)
        # OmegaConf's loader knows 1e-3 for a number, which YAML's own does not.
        config = yaml.load(text, Loader=get_yaml_loader())
        if not isinstance(config, dict):
            raise DataError("it holds no keys")
        return follow_references(config)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        text = " ".join(str(reason or error).split())
        raise DataError(f"{path} cannot be read: {text}") from error


def _check_events(text: str) -> None:
    """Refuse YAML that unpacks to more than it says, before any of it is built."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=PARSER)):
        if count > 2 * MAX_VALUES:
            raise DataError(f"it holds more than {MAX_VALUES:,} values")
        if isinstance(event, yaml.AliasEvent):
            raise DataError("it refers to parts of itself by aliases; it is refused")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_NESTED:
            raise DataError(f"its values are nested more than {MAX_NESTED} times")


def follow_references(config: dict[str, Any]) -> dict[str, Any]:
    """Return a plain config with each `${key}` replaced by the value of that key.

    >>> follow_references({"a": {"b": 4}, "c": "${a.b}", "d": "b is ${.c}"})
    {'a': {'b': 4}, 'c': 4, 'd': 'b is 4'}
    >>> follow_references({"a": "oc.env", "b": "${${a}:HOME}"})
    Traceback (most recent call last):
    vae_granularity.errors.DataError: b is '${${a}:HOME}', which calls the resolver oc.env; it may \
refer to other keys of its own only

    Raises:
        DataError: a text calls a resolver, refers to a key that is not there or to itself, or the
            whole becomes too large.
    """
    return _References(config).value(config, ())


class _References:
    """Follows the references of a config, up to a number of values that bounds the time."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.remaining = MAX_VALUES
        self.chain = 0

    def value(self, node: Any, path: tuple[Any, ...]) -> Any:
        """Return a node with the references in it replaced."""
        if isinstance(node, dict):
            for name in node:
                if REFERENCE in str(name):
                    raise DataError(f"{_dotted((*path, name))} is a key with a reference in it")
            return {name: self.value(child, (*path, name)) for name, child in node.items()}
        if isinstance(node, list):
            return [self.value(child, (*path, index)) for index, child in enumerate(node)]
        if isinstance(node, str) and REFERENCE in node:
            node = self._followed(node, path)
        self._spend(1, path)
        return node

    def _followed(self, text: str, path: tuple[Any, ...]) -> Any:
        key = _dotted(path)
        if len(text) > MAX_REFERENCE:
            raise DataError(f"{key} is a reference of more than {MAX_REFERENCE} letters")
        if self.chain >= MAX_CHAIN:
            raise DataError(f"{key} refers to itself, or by way of more than {MAX_CHAIN} keys")

        def refuse(name: str, *_: Any, **__: Any) -> None:
            raise DataError(
                f"{key} is {text!r}, which calls the resolver {name}; it may refer to other keys "
                "of its own only"
            )

        def look_up(reference: str, _: Any) -> Any:
            return self._target(reference, path)

        self.chain += 1
        value = GrammarVisitor(look_up, refuse, memo=None).visit(parse(text))
        self.chain -= 1
        if isinstance(value, str):
            self._spend(len(value), path)
            if REFERENCE in value:  # escaped once: it would be followed when it is read again
                raise DataError(f"{key} is {text!r}; it may refer to other keys of its own only")
        return value

    def _target(self, reference: str, path: tuple[Any, ...]) -> Any:
        """Return the value of the key that a reference at `path` names, dots in front as steps up
        from it."""
        names = reference.lstrip(".")
        steps_up = len(reference) - len(names)
        start = path[: len(path) - steps_up] if steps_up else ()
        node: Any = self.config
        at: tuple[Any, ...] = ()
        for name in (*start, *re.split(r"[.\[\]]+", names.strip("[]"))):
            if isinstance(node, str) and REFERENCE in node:
                node = self.value(node, at)
            container: Any = node
            try:
                node = container[int(name) if isinstance(container, list) else name]
            except (LookupError, TypeError, ValueError):
                raise DataError(
                    f"{_dotted(path)} refers to {reference}, a key that is not there"
                ) from None
            at = (*at, name)
        return self.value(node, at)

    def _spend(self, count: int, path: tuple[Any, ...]) -> None:
        self.remaining -= count
        if self.remaining < 0:
            raise DataError(
                f"{_dotted(path)}: the config and its references come to more than "
                f"{MAX_VALUES:,} values"
            )


def _dotted(path: Sequence[Any]) -> str:
    return ".".join(map(str, path))
