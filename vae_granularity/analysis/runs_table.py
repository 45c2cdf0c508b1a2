"""The runs of some folders as one table; what is unchanged since the last pass is kept."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
from pandas.api.types import union_categoricals

from vae_granularity.analysis.page.labels import word
from vae_granularity.errors import ArgumentError, DataError, integer
from vae_granularity.files import digest
from vae_granularity.runs import table as runs
from vae_granularity.runs.identity import RESULTS, identity
from vae_granularity.runs.protocol import NOT_COMPARED_OVER_SEEDS, VERSION, version_of, without

# Parts of a config that are parameters of a run, and keys below them that repeat another key.
PARAMETERS = ("model", "net", "dataset", "likelihood", "optimizer", "trainer", "callbacks")
REPEATED = ("net.latent_dim", "dataset.seed", "dataset.source")
CODE = b"".join(Path(str(file)).read_bytes() for file in (__file__, runs.__file__))
READER = digest(CODE)[:12]
# Of results.json and of the code that read it: a row is right as long as these are the same.
STATE = ("path", "mtime_ns", "size", "reader")


@dataclass(frozen=True)
class Collected:
    """The runs of some folders."""

    table: pd.DataFrame  # a row a finished run: see `row_of`, and `path` of its directory
    broken: dict[str, str]  # path of results.json to what is wrong with it
    unfinished: Sequence[str]  # run directories without results.json
    reused: int = 0  # rows taken from the last pass


def collect(places: Sequence[Path], last: pd.DataFrame | None = None) -> Collected:
    """Read results.json of the run directories among, or in, some folders or patterns.

    Args:
        last: the table of an earlier pass; its rows are kept where path, time and size of
            results.json and the reading code are the same.
    """
    known: dict[tuple[Any, ...], int] = {}
    last = last if last is not None and _is_whole(last) else None
    if last is not None:
        states = zip(*(last[name].tolist() for name in STATE), strict=True)
        known = {state: i for i, state in enumerate(states)}
    kept: list[int] = []
    broken: dict[str, str] = {}
    unfinished: list[str] = []

    def fresh(directory: str) -> dict[str, Any] | None:
        found = os.stat(f"{directory}/{RESULTS}")
        state = (directory, str(found.st_mtime_ns), found.st_size, READER)
        if state in known:
            kept.append(known[state])
            return None
        return dict(zip(STATE, state, strict=True)) | row_of(runs.read_results(directory))

    table = frame_of(runs.rows_of(runs.candidates(places), fresh, unfinished, broken))
    if last is not None:
        table = _joined(last.iloc[kept], table)
    broken = {os.path.join(directory, RESULTS): reason for directory, reason in broken.items()}
    return Collected(table, broken, unfinished, len(kept))


def check_places(places: Sequence[Path]) -> None:
    """Refuse places that hold no run directory.

    Raises:
        ArgumentError: names the first of them.
    """
    for place in places:
        if next(runs.run_directories(place), None) is None:
            what = "which holds none" if place.is_dir() else "which is no folder"
            wanted = "runs must name a folder of run directories"
            raise ArgumentError(f"{wanted}, got {str(place)!r}, {what}")


@runs.damage_named()
def row_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """`runs.table.row_of` less what decides no weight, and what must agree for runs to compare.

    That is, as canonical texts, `likelihood`, `split` and `protocol`; also its version, and
    `version` of the program.

    Raises:
        DataError: a part is not as this program writes it; the message does not name the file.
    """
    config, data, protocol = (results[part] for part in ("config", "data", "protocol"))
    version = version_of(protocol)
    parts = (protocol.get("terms", {}), *protocol.get("metrics", {}).values())
    if not all(isinstance(part, Mapping) for part in parts):
        raise DataError("has a protocol that is damaged: a part of it is not a map")
    held_out = protocol.get("terms", {}).get("val")
    size, fraction = data.get("train_size"), data.get("val_fraction")
    decisive = identity(config) | {"names": config.get("names", {})}
    row = runs.row_of({**results, "config": decisive})
    return {key: value for key, value in row.items() if key not in REPEATED} | {
        "seed": integer("seed", config["seed"], 0, 2**32 - 1),
        "data.name": str(data["name"]),
        "data.source": str(data["source"]),
        "likelihood": _call(config["likelihood"]),
        "split": f"{size} training images, val_fraction {fraction}, val on {held_out}",
        "split_of_seed": data.get("split_sha256"),
        VERSION: version,
        "protocol": canonical({VERSION: version} | without(protocol, NOT_COMPARED_OVER_SEEDS)),
        "version": str(results["versions"].get("vae-granularity")),
    }


def frame_of(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of differing keys as a table: float64 where all values are numbers, else categories.

    >>> frame_of([{"a": 1}, {"a": 2, "b": True}])["b"].tolist()
    [nan, 'true']
    """
    columns = runs.columns_of(rows)
    return pd.DataFrame({key: _series(column) for key, column in columns.items()})


def _series(column: list[Any]) -> pd.Series:
    if {type(value) for value in column} <= {int, float, type(None)}:
        return pd.Series(np.array(column, dtype=np.float64))
    return pd.Series([None if value is None else word(value) for value in column], dtype="category")


def _is_whole(last: pd.DataFrame) -> bool:
    """Whether a table is as `collect` makes it: someone else may have written the file."""
    if not {*STATE, "run.name"} <= set(last.columns):
        return False
    numeric = {str(name): kind == np.float64 for name, kind in last.dtypes.items()}
    measured = ("val/", "test/", "scores/", *(f"run.{name}" for name in runs.MEASURED))
    for name, is_number in numeric.items():
        is_words = isinstance(last[name].dtype, pd.CategoricalDtype)
        if not (is_number or (is_words and not name.startswith(measured))):
            return False
    return not last["run.name"].astype(str).str.contains(os.sep, regex=False).any()


def _joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    if first.empty or second.empty:
        return (second if first.empty else first).reset_index(drop=True)
    both = pd.concat([first, second], ignore_index=True)
    for name, kind in both.dtypes.items():
        if isinstance(kind, pd.CategoricalDtype) or pd.api.types.is_numeric_dtype(kind):
            continue
        parts = [part[name].array for part in (first, second) if name in part]
        if len(parts) == 2 and all(isinstance(part, pd.Categorical) for part in parts):
            both[name] = pd.Series(union_categoricals(parts, sort_categories=True))
        else:
            words = both[name].astype(object).map(word, na_action="ignore")
            both[name] = words.astype("category")
    return both


def _call(node: Mapping[str, Any]) -> str:
    """`Gaussian(sigma=0.3, learned=false)`."""
    options = (f"{key}={word(value)}" for key, value in node.items() if not key.startswith("_"))
    return f"{runs.short_name('likelihood', node)}({', '.join(options)})"


def canonical(node: Any) -> str:
    """JSON text with sorted keys.

    >>> canonical({"b": [1], "a": None})
    '{"a":null,"b":[1]}'
    """
    return orjson.dumps(node, option=orjson.OPT_SORT_KEYS).decode()
