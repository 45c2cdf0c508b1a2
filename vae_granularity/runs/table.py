"""Read folders of finished runs into one table, without loading torch."""

import glob
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from vae_granularity.errors import DataError, number
from vae_granularity.files import MAX_JSON_BYTES, MAX_JSON_DEPTH, check_depth, read_regular_file
from vae_granularity.runs.identity import (
    CONFIG,
    RESULTS,
    acting_callbacks,
    file_name,
    flat,
    option_name,
    without,
)
from vae_granularity.terminal import printable

if TYPE_CHECKING:
    import pandas as pd

MEASURED = ("num_parameters", "seconds", "steps")  # of `run`: what is computed with
STANDARD_ERRORS = "se/"  # begins names of scores that earlier versions wrote
PARTS = ("run", "config", "data", "terms", "scores", "protocol", "versions")
Places = str | Path | Iterable[str | Path]  # run directories, folders of them, patterns


def read_runs(runs: Places) -> "pd.DataFrame":
    """Return one row a finished run: config, numbers and provenance; other runs are in `.attrs`.

    Columns: `path`; the config by its keys (`model.beta`, `seed`), where `model`, `net`, … name the
    file or class chosen; terms in nats (`val/elbo`); scores (`scores/mig`); `data.*`; `run.*`.
    `attrs["unfinished"]` lists run directories without results, `attrs["unreadable"]` maps others
    to what is wrong with them, of which one warning tells.

    Args:
        runs: a folder of run directories, one of these, a pattern (`runs/*_b4_*`), or a list.

    Raises:
        DataError: there is no run directory.
    """
    import pandas as pd

    unreadable: dict[str, str] = {}
    unfinished: list[str] = []

    def row(directory: str) -> dict[str, Any]:
        return {"path": directory, **row_of(read_results(directory))}

    whole = columns_of(rows_of(candidates(runs), row, unfinished, unreadable))
    if not whole and not unfinished and not unreadable:
        raise DataError(f"there is no run directory in {runs}")
    series = {key: pd.Series(column, dtype=_dtype(column)) for key, column in whole.items()}
    table = pd.DataFrame(series)
    table.attrs = {"unreadable": unreadable, "unfinished": unfinished}
    if unreadable:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in unreadable.items())
        message = printable(f"{len(unreadable)} runs cannot be read: {reasons}")
        warnings.warn(message, stacklevel=2)
    return table


def rows_of(
    directories: Iterable[str],
    read: Callable[[str], dict[str, Any] | None],
    unfinished: list[str],
    unreadable: dict[str, str],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of those `candidates` that are run directories; the others are noted,
    those without results and those that are damaged, with the reason."""
    for directory in directories:
        try:
            row = read(directory)
        except FileNotFoundError:
            if is_run(directory):
                unfinished.append(directory)
        except DataError as error:
            unreadable[directory] = str(error)
        else:
            if row is not None:
                yield row


@contextmanager
def damage_named() -> Iterator[None]:
    """Raise a DataError in place of whatever a value of an odd kind makes the block raise."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # of any kind: any value may be another than this program writes
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"is not as this version writes it: {reason}") from error


def columns_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows of differing keys as columns of one length, None where a row lacks a key.

    One object a distinct word, however many rows have it.

    >>> columns_of([{"a": 1}, {"a": 2, "b": "x"}])
    {'a': [1, 2], 'b': [None, 'x']}
    """
    columns: dict[str, list[Any]] = {}
    # A folder of many runs repeats the same few words in each row.
    words: dict[str, str] = {}
    count = 0
    for row in rows:
        for key, value in row.items():
            column = columns.setdefault(key, [])
            column.extend([None] * (count - len(column)))
            column.append(words.setdefault(value, value) if type(value) is str else value)
        count += 1
    return {key: column + [None] * (count - len(column)) for key, column in columns.items()}


def _dtype(column: list[Any]) -> type:
    kinds = set(map(type, column))
    if len(kinds) == 1 and kinds <= {int, bool}:
        return kinds.pop()
    return float if kinds <= {int, float, type(None)} else object


def run_directories(runs: Places) -> Iterator[str]:
    """Yield the run directories among folders, run directories and patterns, once, by name."""
    return filter(is_run, candidates(runs))


def candidates(runs: Places) -> Iterator[str]:
    """Yield paths that may be run directories; cheaper than `is_run` on each.

    They are taken from folders, run directories and patterns.
    """
    seen = set()
    for name in [runs] if isinstance(runs, (str, Path)) else runs:
        for path in [str(name)] if os.path.exists(name) else sorted(glob.glob(str(name))):
            for directory in [path] if is_run(path) else _inside(path):
                if directory not in seen:
                    seen.add(directory)
                    yield directory


def is_run(path: str | Path) -> bool:
    """Return whether a path is a run directory, finished or not."""
    return any(os.path.exists(os.path.join(path, name)) for name in (CONFIG, RESULTS))


def _inside(path: str) -> list[str]:
    if not os.path.isdir(path):
        return []
    with os.scandir(path) as entries:
        return sorted(entry.path for entry in entries if entry.is_dir())


def find_runs(names: Iterable[str]) -> tuple[list[Path], dict[Path, str]]:
    """Return the finished runs among directories and patterns, and the others with the reason.

    Raises:
        DataError: there is no finished run at all.
    """
    finished: list[Path] = []
    broken: dict[Path, str] = {}
    for name in names:
        for directory in map(Path, list(run_directories(name)) or [name]):
            reason = _unfinished(directory)
            if reason is not None:
                broken[directory] = reason
            elif directory not in finished:
                finished.append(directory)
    if not finished:
        raise DataError("; ".join(f"{path}: {reason}" for path, reason in broken.items()))
    return finished, broken


def _unfinished(directory: Path) -> str | None:
    if not directory.is_dir():
        return "does not exist"
    if not (directory / CONFIG).is_file():
        nothing = f"holds no finished run: neither {CONFIG} nor */{CONFIG}"
        return f"has no {CONFIG}" if is_run(directory) else nothing
    try:
        read_results(directory)
    except FileNotFoundError:
        return f"is not finished: it has no {RESULTS}; start the same run again to continue it"
    except DataError as error:
        return str(error)
    return None


def read_results(directory: str | Path, parts: Iterable[str] = PARTS) -> dict[str, Any]:
    """Return results.json of a run directory, which must have the entries `parts`.

    Raises:
        DataError: it is damaged or not the results of a run; the message does not name the file.
        FileNotFoundError: the run is not finished.
    """
    try:
        text = read_regular_file(os.path.join(directory, RESULTS), MAX_JSON_BYTES)
        results = orjson.loads(text)
        if text.count(b"[") + text.count(b"{") > MAX_JSON_DEPTH:
            check_depth(results)
    except ValueError as error:
        raise DataError(
            f"its {RESULTS} is damaged: no JSON, half-written perhaps: {error}"
        ) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"its {RESULTS} cannot be read: {error.strerror}") from error
    if not isinstance(results, dict):
        raise DataError(f"its {RESULTS} is damaged: it holds {type(results).__name__}")
    for entry in parts:
        if not isinstance(results.get(entry), dict):
            raise DataError(
                f"its {RESULTS} is damaged, or of another version of this program: no {entry!r}"
            )
    name = results.get("run", {}).get("name", "")
    if "run" in parts and (not isinstance(name, str) or os.path.basename(name) != name):
        raise DataError(f"its {RESULTS} is damaged: run.name is {name!r}, no name of a directory")
    return results


@damage_named()
def row_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of one results.json in `read_runs`; lists become tuples.

    Raises:
        DataError: a term or score is not a number, or a part not as this program writes it.
    """
    config = without(results["config"], ["metrics", "names"])
    row = dict(_config({**config, "callbacks": acting_callbacks(config)}))
    row |= {group: option_name(results["config"], group) for group in ("model", "dataset")}
    for prefix, kind in (("", "terms"), ("scores/", "scores")):
        for name, value in results[kind].items():
            if kind == "scores" and name.startswith(STANDARD_ERRORS):
                continue
            if value is not None and type(value) not in (int, float):
                raise DataError(f"has {prefix}{name} = {value!r}, not a number")
            row[prefix + name] = value
    for key, value in row.items():
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise DataError(f"has {key} = {value}, more than 64 bits hold")
    for name in MEASURED:
        if results["run"].get(name) is not None:  # runs of W&B lack some
            number(f"run.{name}", results["run"][name], 0)
    for kind in ("data", "run"):
        for name, value in flat(without(results[kind], ["overrides"])):
            row[f"{kind}.{name}"] = tuple(value) if type(value) is list else value
    return row


def _config(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            if "_target_" in value:
                yield f"{prefix}{key}", short_name(f"{prefix}{key}", value)
            yield from _config(value, f"{prefix}{key}.")
        elif key[0] != "_":
            yield f"{prefix}{key}", _plain(value)


def _plain(value: Any) -> Any:
    """Lists become tuples, or text where they hold mappings: values of a column can be compared."""
    if type(value) is not list:
        return value
    if any(isinstance(item, Mapping) for item in value):
        return orjson.dumps(value).decode()
    return tuple(value)


def short_name(group: str, node: Mapping[str, Any]) -> str:
    """Return the name of a config group's option: its file for models, networks and data, or class.

    >>> short_name("model", {"_target_": "vae_granularity.models.stcvae.BetaSTCVAE"})
    'stcvae'
    >>> short_name("optimizer", {"_target_": "torch.optim.Adam"})
    'Adam'
    """
    by_file = group in ("model", "net", "dataset")
    return file_name(node) if by_file else str(node["_target_"]).rpartition(".")[2]
