"""One finished run as one flat row: what results.json says of its parameters, its numbers and how
they were measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from vae_granularity.analysis.columns import word
from vae_granularity.errors import DataError
from vae_granularity.runs.protocol import BY_CHANCE, VERSION, version_of, without

# Parts of a config that are parameters of a run; the rest says where it lies, what it logs and how
# it is measured.
PARAMETERS = ("model", "net", "dataset", "likelihood", "optimizer", "trainer")
# Keys below them that repeat another key or change no number.
NOT_PARAMETERS = frozenset(
    {
        "net.latent_dim",
        "dataset.seed",
        "dataset.source",
        "dataset.data_dir",
        "dataset.cache_dir",
        "dataset.device",
        "trainer.accelerator",
    }
)
READER = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[
    :12
]  # rows that other code made are read again
PARTS = ("run", "config", "data", "terms", "scores", "protocol", "versions")
RUN = ("name", "model", "dataset", "title", "num_parameters", "steps", "seconds", "device")


def row_of(results: Any) -> dict[str, Any]:
    """The row of a run: `run.*`, parameters by their config keys (`model.beta`), `seed`, terms
    (`val/elbo`), scores (`scores/mig`), `data.source`, and as canonical texts `likelihood`,
    `split`, `protocol`, `version`; `protocol_version` as a number.

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
        row: dict[str, Any] = {f"run.{key}": run.get(key) for key in RUN}
        row["seed"] = int(config["seed"])
        row["data.name"], row["data.source"] = str(data["name"]), str(data["source"])
        row["likelihood"] = _call(config["likelihood"])
        row[VERSION] = version_of(protocol)
        held_out = protocol.get("terms", {}).get("val")
        row["split"] = (
            f"{data.get('train_size')} training images, val_fraction {data.get('val_fraction')}, val on {held_out}"
        )
        row["split_of_seed"] = data.get("split_sha256")
        for part in PARAMETERS:
            row.update(_parameters(part, config.get(part) or {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"is not as this version writes it: {type(error).__name__}: {error}"
        ) from error
    row["protocol"] = canonical({VERSION: row[VERSION]} | without(protocol, BY_CHANCE))
    row["version"] = str(results["versions"].get("vae-granularity"))
    row.update(_numbers("", results["terms"]))
    row.update(_numbers("scores/", results["scores"]))
    return row


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
    options = ", ".join(
        f"{key}={word(value)}" for key, value in node.items() if not key.startswith("_")
    )
    return f"{_short('likelihood', node['_target_'])}({options})"


def _short(part: str, target: str) -> str:
    """`stcvae` for the target vae_granularity.models.stcvae.BetaSTCVAE, `Gaussian` for a class of
    another part.
    """
    return target.split(".")[-2] if part in ("model", "net", "dataset") else target.split(".")[-1]


def _numbers(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise DataError(f"has {prefix}{name} = {value!r}, not a number")
        yield prefix + name, value


def canonical(node: Any) -> str:
    """JSON text with sorted keys."""
    return orjson.dumps(node, option=orjson.OPT_SORT_KEYS).decode()
