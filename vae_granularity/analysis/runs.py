"""Read the runs of some folders into one table; reuse the rows of the last pass that still hold."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
from pandas.api.types import union_categoricals

from vae_granularity.analysis.labels import first_line, word
from vae_granularity.errors import ArgumentError, DataError, integer
from vae_granularity.files import digest, replace_file
from vae_granularity.runs import table as run_rows
from vae_granularity.runs.identity import RESULTS, identity
from vae_granularity.runs.protocol import NOT_COMPARED_OVER_SEEDS, VERSION, version_of, without

# Nodes of a config whose keys are parameters of a run, and keys below them that repeat another key.
PARAMETERS = ("model", "net", "dataset", "likelihood", "optimizer", "trainer", "callbacks")
REPEATED = ("net.latent_dim", "dataset.seed", "dataset.source")
CODE = b"".join(Path(str(file)).read_bytes() for file in (__file__, run_rows.__file__))
READER = digest(CODE)[:12]
# Of results.json and of the code that read it: a row is right as long as these are the same.
STATE = ("path", "mtime_ns", "size", "reader")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collected:
    """Runs of some folders."""

    table: pd.DataFrame  # a row a finished run: see `row_of`, and `path` of its directory
    broken: dict[str, str]  # path of results.json to the reason why it cannot be read
    unfinished: Sequence[str]  # run directories without results.json
    reused: int = 0  # rows taken from the last pass


def collect(places: Sequence[Path], last: pd.DataFrame | None = None) -> Collected:
    """Read results.json of the run directories among, or in, some folders or patterns.

    Args:
        last: the table of an earlier pass; its rows are reused where path, time and size of
            results.json and the reading code are the same.
    """
    row_numbers: dict[tuple[Any, ...], int] = {}
    if last is not None and not _is_intact(last):
        last = None
    if last is not None:
        states = zip(*(last[name].tolist() for name in STATE), strict=True)
        row_numbers = {state: row for row, state in enumerate(states)}
    reused: list[int] = []
    broken: dict[str, str] = {}
    unfinished: list[str] = []

    def read_new(directory: str) -> dict[str, Any] | None:
        status = os.stat(f"{directory}/{RESULTS}")
        state = (directory, str(status.st_mtime_ns), status.st_size, READER)
        if state in row_numbers:
            reused.append(row_numbers[state])
            return None
        return dict(zip(STATE, state, strict=True)) | row_of(run_rows.read_results(directory))

    # `read_new` returns None for a run whose row is reused: it is in the last table already.
    directories = run_rows.candidates(places)
    table = frame_of(run_rows.rows_of(directories, read_new, unfinished, broken))
    if last is not None:
        table = _joined(last.iloc[reused], table)
    broken = {os.path.join(directory, RESULTS): reason for directory, reason in broken.items()}
    return Collected(table, broken, unfinished, len(reused))


def read_table(file: Path) -> pd.DataFrame | None:
    """Return the table that an earlier pass has written; None where there is none or it is damaged.

    A damaged one is made again.
    """
    try:
        return pd.read_parquet(file) if file.is_file() else None
    except Exception as error:  # of any kind: damaged bytes make it raise whatever it likes
        log.warning("%s is damaged and is made again: %s", file, first_line(error))
        return None


def write_table(file: Path, table: pd.DataFrame) -> None:
    """Write the table of runs, whole or not at all."""
    with replace_file(file) as opened:
        table.to_parquet(opened)


def check_places(places: Sequence[Path]) -> None:
    """Refuse places that hold no run directory.

    Raises:
        ArgumentError: names the first of them.
    """
    for place in places:
        if next(run_rows.run_directories(place), None) is None:
            reason = "which holds none" if place.is_dir() else "which is no folder"
            raise ArgumentError(
                f"runs must name a folder of run directories, got {str(place)!r}, {reason}"
            )


@run_rows.damage_named()
def row_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return `runs.table.row_of` less what decides no weight, with what must agree among runs.

    That is, as canonical texts, `likelihood`, `split` and `protocol`; also its version, and
    `version` of the program.

    Raises:
        DataError: a value is not as this program writes it; the message does not name the file.
    """
    config, data, protocol = (results[key] for key in ("config", "data", "protocol"))
    protocol_version = version_of(protocol)
    measurements = (protocol.get("terms", {}), *protocol.get("metrics", {}).values())
    if not all(isinstance(measurement, Mapping) for measurement in measurements):
        raise DataError("has a protocol that is damaged: a part of it is not a map")
    val_split = protocol.get("terms", {}).get("val")
    size = data.get("train_size")
    fraction = data.get("val_fraction")
    # Keys that decide no weight are left out: runs that differ in them alone are one point.
    decisive = identity(config) | {"names": config.get("names", {})}
    row = run_rows.row_of({**results, "config": decisive})
    return {key: value for key, value in row.items() if key not in REPEATED} | {
        "seed": integer("seed", config["seed"], 0, 2**32 - 1),
        "data.name": str(data["name"]),
        "data.source": str(data["source"]),
        "likelihood": _call_text(config["likelihood"]),
        "split": f"{size} training images, val_fraction {fraction}, val on {val_split}",
        "split_of_seed": data.get("split_sha256"),
        VERSION: protocol_version,
        "protocol": canonical(
            {VERSION: protocol_version} | without(protocol, NOT_COMPARED_OVER_SEEDS)
        ),
        "version": str(results["versions"].get("vae-granularity")),
    }


def frame_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows of differing keys as a table: float64 where all values are numbers, else words.

    Words are categories.

    >>> frame_of([{"a": 1}, {"a": 2, "b": True}])["b"].tolist()
    [nan, 'true']
    """
    columns = run_rows.columns_of(rows)
    return pd.DataFrame({key: _series(column) for key, column in columns.items()})


def _series(column: list[Any]) -> pd.Series:
    if {type(value) for value in column} <= {int, float, type(None)}:
        return pd.Series(np.array(column, dtype=np.float64))
    return pd.Series([None if value is None else word(value) for value in column], dtype="category")


def _is_intact(last: pd.DataFrame) -> bool:
    """Return whether a table is as `collect` makes it: someone else may have written the file."""
    if not {*STATE, "run.name"} <= set(last.columns):
        return False
    measured = ("val/", "test/", "scores/", *(f"run.{name}" for name in run_rows.MEASURED))
    for name, dtype in last.dtypes.items():
        is_words = isinstance(last[name].dtype, pd.CategoricalDtype)
        if dtype != np.float64 and not (is_words and not str(name).startswith(measured)):
            return False
    return not last["run.name"].astype(str).str.contains(os.sep, regex=False).any()


def _joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return two tables of `frame_of` as one, with the types that `frame_of` would give it."""
    if first.empty or second.empty:
        return (second if first.empty else first).reset_index(drop=True)
    # pandas makes objects of two categorical columns with different categories.
    joined = pd.concat([first, second], ignore_index=True)
    for name, dtype in joined.dtypes.items():
        if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_numeric_dtype(dtype):
            continue
        columns = [table[name].array for table in (first, second) if name in table]
        if len(columns) == 2 and all(isinstance(column, pd.Categorical) for column in columns):
            joined[name] = pd.Series(union_categoricals(columns, sort_categories=True))
        else:
            words = joined[name].astype(object).map(word, na_action="ignore")
            joined[name] = words.astype("category")
    return joined


def _call_text(node: Mapping[str, Any]) -> str:
    """Return a node with its options as a call, such as `Gaussian(sigma=0.3, learned=false)`."""
    options = (f"{key}={word(value)}" for key, value in node.items() if not key.startswith("_"))
    return f"{run_rows.short_name('likelihood', node)}({', '.join(options)})"


def canonical(node: Any) -> str:
    """Return JSON text with sorted keys.

    >>> canonical({"b": [1], "a": None})
    '{"a":null,"b":[1]}'
    """
    return orjson.dumps(node, option=orjson.OPT_SORT_KEYS).decode()
