"""Check the words of a command line one by one, before Hydra reads them together."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep

from vae_granularity.errors import ArgumentError
from vae_granularity.training.suggestions import option_message, same_option

# The key that a command is mostly about: what a lone word is taken for in a message.
SUBJECTS = {"evaluate": "run", "analyze": "runs", "status": "runs"}
SUBJECTS |= {"dashboards": "project", "data": "dataset"}
LISTS = ("evaluate", "analyze", "status")  # commands whose subject may be a list
NAMED = ("model", "dataset")  # groups that a lone word of `train` may name an option of
BRACKETS = {"[": "]", "{": "}", "(": ")"}


def check_arguments(command: str, arguments: Sequence[str], folder: Path) -> None:
    """Check that each argument is a flag of Hydra's or an override that its grammar takes.

    Args:
        command: the name of its yaml file, or `data`, which takes no flags.
        folder: of the yaml files.

    Raises:
        ArgumentError: names the argument and what to write in its place.
    """
    for argument in arguments:
        if any("\udc80" <= letter <= "\udcff" for letter in argument):
            readable = argument.encode(errors="surrogateescape").decode(errors="replace")
            raise ArgumentError(
                f"{readable}: this locale cannot read the letters; set LC_ALL=C.UTF-8, or rename "
                "what is not named in UTF-8"
            )
    overrides = _check_flags(command, arguments)
    parser = OverridesParser.create()
    for position, argument in enumerate(overrides):
        try:
            override = parser.parse_override(argument)
        except Exception as error:  # of any kind: the parser raises anything of an odd text
            following = overrides[position + 1 : position + 3]
            remedy = _remedy(command, argument, following, folder)
            raise ArgumentError(remedy) from error
        if _is_empty_range(override):
            raise ArgumentError(f"{argument} is a range without a value: nothing would be done")


def group_options(group: str, folders: Sequence[Path]) -> list[str]:
    """Return the names of a group's options in some folders of yaml files."""
    names: list[str] = []
    for folder in folders:
        names += [file.stem for file in (folder / group).glob("*.yaml")]
    return sorted(names)


def _check_flags(command: str, arguments: Sequence[str]) -> list[str]:
    """Check the flags and return the other arguments."""
    if command == "data":
        for argument in arguments:
            if argument.startswith("-"):
                raise ArgumentError(_no_flag(argument))
        return list(arguments)
    parser = get_args_parser()
    flags = parser._option_string_actions
    for argument in arguments:
        if argument.startswith("-") and "=" in argument and argument.split("=")[0] not in flags:
            raise ArgumentError(_no_flag(argument))

    def refuse(message: str) -> None:
        raise ArgumentError(f"{message} (--hydra-help lists the flags)")

    # argparse would print its usage, in eight lines, and exit.
    parser.error = refuse  # type: ignore[method-assign]
    namespace, others = parser.parse_known_args(arguments)
    for argument in others:
        if argument.startswith("-"):
            raise ArgumentError(_no_flag(argument))
    if namespace.multirun and command in SUBJECTS:
        subject = SUBJECTS[command]
        several = f"; several are a list, {subject}=[A,B]" if command in LISTS else ""
        raise ArgumentError(f"{command} takes no -m, which is train's{several}")
    return [*namespace.overrides, *others]


def _no_flag(argument: str) -> str:
    key = argument.lstrip("-")
    if "=" in argument:
        return f"{argument} is no flag: keys are written without dashes, {key}"
    return f"{argument} is no flag: keys are written as KEY=VALUE, without dashes (--help)"


def _is_empty_range(override: Override) -> bool:
    value = override._value
    return isinstance(value, RangeSweep) and next(iter(value.range()), None) is None


def _parses(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except Exception:  # of any kind, as above
        return False
    return True


def _remedy(command: str, argument: str, following: Sequence[str], folder: Path) -> str:
    """Return what is wrong with an argument that Hydra's grammar refuses, and what to write."""
    if not argument.strip():
        return f"arguments are KEY=VALUE, got an empty one, {argument!r}"
    key, equals, value = argument.partition("=")
    joined = "".join([argument, *following])
    if not equals and following and following[0].startswith("=") and _parses(joined):
        return f"{' '.join([argument, *following])}: no spaces around =, {joined}"
    if not equals:
        return _lone_word(command, argument, folder)
    tight = f"{key.strip()}={value.strip()}"
    if tight != argument and _parses(tight):
        return f"{argument}: no spaces around =, {tight}"
    if not _parses(f"{key}=1"):
        return f"{argument}: {key!r} is no key; arguments are KEY=VALUE (--help lists the keys)"
    if (folder / key).is_dir() and re.fullmatch(r"[^\[\](){}=,]*", value):
        return option_message(key, value, group_options(key, [folder]))
    return _bad_value(key, value)


def _lone_word(command: str, argument: str, folder: Path) -> str:
    """Return what to say of an argument without =."""
    key, colon, value = argument.partition(":")
    if colon and re.fullmatch(r"[\w.]+", key) and _parses(f"{key}={value}"):
        return f"{argument} is no KEY=VALUE, did you mean {key}={value}?"
    if _is_key(command, argument, folder):
        return f"{argument} has no value: {argument}=VALUE"
    for group in NAMED if command == "train" else ():
        option = same_option(argument, group_options(group, [folder]))
        if option is not None:
            return f"{argument} is no KEY=VALUE, did you mean {group}={option}?"
    subject = SUBJECTS.get(command)
    if subject is None:
        return f"{argument} is no KEY=VALUE (--help lists the keys)"
    return f"{argument} is no KEY=VALUE, did you mean {subject}={argument}?"


def _is_key(command: str, word: str, folder: Path) -> bool:
    first = word.split(".")[0]
    is_group = "/" not in first and (folder / first).is_dir()
    if command == "data":
        return is_group and re.fullmatch(r"[\w.]+", word) is not None
    source = yaml.safe_load((folder / f"{command}.yaml").read_text(encoding="utf-8"))
    return re.fullmatch(r"[\w.]+", word) is not None and (first in source or is_group)


def _bad_value(key: str, value: str) -> str:
    """Return what to say of a value that Hydra's grammar refuses."""
    argument = f"{key}={value}"
    if value.startswith("=") and _parses(f"{key}={value.lstrip('=')}"):
        return f"{argument}: one = is enough, {key}={value.lstrip('=')}"
    if value.endswith(",") and _parses(f"{key}={value.rstrip(',')}"):
        return f"{argument}: leave out the last comma, {key}={value.rstrip(',')}"
    if value.startswith("~") and _parses(f"{key}={os.path.expanduser(value)}"):
        return f"{argument}: ~ is not expanded here, write {key}={os.path.expanduser(value)}"
    if value.startswith("(") and value.endswith(")") and _parses(f"{key}=[{value[1:-1]}]"):
        return f"{argument}: a list is written in brackets, {shlex.quote(f'{key}=[{value[1:-1]}]')}"
    if value[:1] in BRACKETS or re.match(r"\w+\(", value):
        closing = "".join(BRACKETS[letter] for letter in value if letter in BRACKETS)
        closed = sorted(letter for letter in value if letter in BRACKETS.values())
        if sorted(closing) != closed:
            return f"{argument}: the brackets do not close in pairs"
        return f"{argument} is no list, mapping or function that Hydra can read (--hydra-help)"
    for quoted in (f'{key}="{value}"', f"{key}='{value}'"):
        if _parses(quoted) and OverridesParser.create().parse_override(quoted).value() == value:
            return f"{argument}: the value has characters that need quotes, {shlex.quote(quoted)}"
    return f"{argument}: Hydra cannot read the value"
