"""The runs of some folders as one table; what is unchanged since the last pass is kept."""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from vae_granularity.analysis.page.labels import word
from vae_granularity.errors import ArgumentError, DataError
from vae_granularity.runs.identity import CONFIG, RESULTS
from vae_granularity.runs.protocol import BY_CHANCE, without

# Parts of a config that are parameters of a run; the rest says where it lies, what it logs and how
# it is measured.
PARAMETERS = ("model", "net", "dataset", "likelihood", "optimizer", "trainer")
# Keys below them that repeat another key or change no number.
NOT_PARAMETERS = {"net.latent_dim", "trainer.accelerator"} | {
    f"dataset.{key}" for key in ("seed", "source", "data_dir", "cache_dir", "device")
}
PARTS = ("run", "config", "data", "terms", "scores", "protocol", "versions")
RUN = ("name", "model", "dataset", "title", "num_parameters", "steps", "seconds", "device")
READER = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
# Of results.json and of the code that read it: a row is right as long as these are the same.
STATE = ("path", "mtime_ns", "size", "reader")


@dataclass(frozen=True)
class Collected:
    """The runs of some folders."""

    table: pd.DataFrame  # a row a finished run: see `row_of`, and `path` of its directory
    broken: dict[str, str]  # path of results.json to what is wrong with it
    unfinished: Sequence[str]  # run directories without results.json
    reused: int = 0  # rows taken from the last pass


def collect(folders: Sequence[Path], last: pd.DataFrame | None = None) -> Collected:
    """Read results.json of every run directory in the folders (or of a folder that is one itself).

    Args:
        last: the table of an earlier pass; its rows are kept where path, time and size of
            results.json and the reading code are the same.

    Raises:
        ArgumentError: a folder does not exist, or holds no run directory.
    """
    known: dict[tuple[Any, ...], int] = {}
    if last is not None and set(STATE) <= set(last.columns):
        states = zip(*(last[name].tolist() for name in STATE), strict=True)
        known = {state: i for i, state in enumerate(states)}
    kept: list[int] = []
    broken: dict[str, str] = {}
    unfinished: list[str] = []

    def fresh() -> Iterator[dict[str, Any]]:
        for directory in _run_directories(folders):
            file = os.path.join(directory, RESULTS)
            try:
                found = os.stat(file)
            except FileNotFoundError:
                unfinished.append(directory)
                continue
            state = (directory, str(found.st_mtime_ns), found.st_size, READER)
            if state in known:
                kept.append(known[state])
                continue
            try:
                yield dict(zip(STATE, state, strict=True)) | read_results(file)
            except DataError as error:
                broken[file] = str(error)

    table = frame_of(fresh())
    if last is not None:
        table = joined(last.iloc[kept], table)
    return Collected(table, broken, unfinished, len(kept))


def read_results(file: str) -> dict[str, Any]:
    """The row of one results.json.

    Raises:
        DataError: it cannot be read, is no JSON, or not the results of a run.
    """
    try:
        with open(file, "rb") as opened:
            return row_of(orjson.loads(opened.read()))
    except orjson.JSONDecodeError as error:
        raise DataError(f"is not JSON, half-written perhaps: {error}") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error


def row_of(results: Any) -> dict[str, Any]:
    """The row of a run: parameters by their config keys, `val/elbo`, `scores/mig`, `data.source` …

    Also `run.*` and `seed`, and as canonical texts `likelihood`, `split`, `protocol`, `version`.

    Raises:
        DataError: a part that every results.json has is missing or of the wrong kind; the message
            does not name the file.
    """
    if not isinstance(results, dict):
        raise DataError(f"holds {type(results).__name__}, not the results of a run")
    for part in PARTS:
        if not isinstance(results.get(part), dict):
            raise DataError(f"has no {part!r}: half-written, or of another version of this program")
    run, config, data, protocol = (results[part] for part in ("run", "config", "data", "protocol"))
    try:
        held_out = protocol.get("terms", {}).get("val")
        size, fraction = data.get("train_size"), data.get("val_fraction")
        row: dict[str, Any] = {f"run.{key}": run.get(key) for key in RUN}
        row |= {
            "seed": int(config["seed"]),
            "data.name": str(data["name"]),
            "data.source": str(data["source"]),
            "likelihood": _call(config["likelihood"]),
            "split": f"{size} training images, val_fraction {fraction}, val on {held_out}",
            "split_of_seed": data.get("split_sha256"),
        }
        for part in PARAMETERS:
            row.update(_parameters(part, config.get(part) or {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"is not as this version writes it: {reason}") from error
    row["protocol"] = canonical(without(protocol, BY_CHANCE))
    row["version"] = str(results["versions"].get("vae-granularity"))
    row.update(_numbers("", results["terms"]))
    row.update(_numbers("scores/", results["scores"]))
    return row


def frame_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of differing keys as a table: float64 where all values are numbers, else categories.

    Eight bytes a cell and one object a distinct word, whatever the rows hold.

    >>> frame_of([{"a": 1}, {"a": 2, "b": True}])["b"].tolist()
    [nan, 'true']
    """
    columns: dict[str, list[Any]] = {}
    count = 0
    for row in rows:
        for key, value in row.items():
            column = columns.setdefault(key, [])
            column.extend([None] * (count - len(column)))
            column.append(sys.intern(value) if type(value) is str else value)
        count += 1
    return pd.DataFrame(
        {key: _series(column + [None] * (count - len(column))) for key, column in columns.items()}
    )


def _series(column: list[Any]) -> pd.Series:
    if {type(value) for value in column} <= {int, float, type(None)}:
        return pd.Series(np.array(column, dtype=np.float64))
    return pd.Series([None if value is None else word(value) for value in column], dtype="category")


def joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The rows of two such tables, one after the other."""
    if first.empty or second.empty:
        return (second if first.empty else first).reset_index(drop=True)
    both = pd.concat([first, second], ignore_index=True)
    for name, kind in both.dtypes.items():
        if not isinstance(kind, pd.CategoricalDtype) and not pd.api.types.is_numeric_dtype(kind):
            words = both[name].astype(object).map(word, na_action="ignore")
            both[name] = words.astype("category")
    return both


def _run_directories(folders: Sequence[Path]) -> Iterator[str]:
    for folder in folders:
        wanted = f"runs must name a folder of run directories, got {str(folder)!r}"
        if not folder.is_dir():
            raise ArgumentError(f"{wanted}, which is no folder")
        if _is_run(str(folder)):
            yield str(folder)
            continue
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
        found = [path for name in names if _is_run(path := os.path.join(folder, name))]
        if not found:
            raise ArgumentError(f"{wanted}, which holds none")
        yield from found


def _is_run(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, name)) for name in (CONFIG, RESULTS))


def _parameters(part: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        name = f"{part}.{key}"
        if key == "_target_":
            if part != "likelihood":  # which has a column of its own
                yield part, _short(part, value)
        elif name not in NOT_PARAMETERS and not key.startswith("_"):
            if isinstance(value, dict):
                yield from _parameters(name, value)
            else:
                yield name, value


def _call(node: Mapping[str, Any]) -> str:
    """`Gaussian(sigma=0.3, learned=false)`."""
    options = (f"{key}={word(value)}" for key, value in node.items() if not key.startswith("_"))
    return f"{_short('likelihood', node['_target_'])}({', '.join(options)})"


def _short(part: str, target: str) -> str:
    """The file of a model, network or data set (`stcvae`), the class of another part."""
    return target.split(".")[-2 if part in ("model", "net", "dataset") else -1]


def _numbers(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise DataError(f"has {prefix}{name} = {value!r}, not a number")
        yield prefix + name, value


def canonical(node: Any) -> str:
    """JSON text with sorted keys.

    >>> canonical({"b": [1], "a": None})
    '{"a":null,"b":[1]}'
    """
    return orjson.dumps(node, option=orjson.OPT_SORT_KEYS).decode()
