"""What makes a run: its name, its directory and the files in it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vae_granularity.partitions.schedules import label

RESULTS, CONFIG, CHECKPOINTS, FINAL = "results.json", "config.yaml", "checkpoints", "final.ckpt"
# Where a run lies and what it is logged to do not make it another run.
OUTSIDE_IDENTITY = (("paths",), ("logger",), ("dataset", "data_dir"), ("dataset", "cache_dir"))


@dataclass(frozen=True)
class RunInfo:
    """What identifies a run. Derived from the resolved config alone, in which `dataset.source` is
    settled.
    """

    config: dict[str, Any]
    output_dir: Path

    @cached_property
    def hash(self) -> str:
        """Eight hexadecimal digits of the resolved config without paths and logger."""
        config = json.loads(json.dumps(self.config))
        for *parents, key in OUTSIDE_IDENTITY:
            node = config
            for parent in parents:
                node = node.get(parent, {})
            node.pop(key, None)
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def model(self) -> str:
        """Short name of the model: that of its file."""
        return file_name(self.config["model"])

    @property
    def dataset(self) -> str:
        """Short name of the data set with its variant, and `rendered` where its images are not the
        real ones.
        """
        node = self.config["dataset"]
        parts = [
            file_name(node),
            node.get("variant"),
            "rendered" if node["source"] == "rendered" else None,
        ]
        return "-".join(part for part in parts if part)

    @property
    def name(self) -> str:
        """Short readable name and hash; also the name of the directory."""
        model = self.config["model"]
        parts = [self.model, self.dataset]
        if "beta" in model:
            parts.append(f"b{label(model['beta'])}")
        sizes = model.get("partition")
        if sizes is None:
            parts.append(f"g{label(model['granularity'])}")
        elif isinstance(sizes, list):
            parts.append("p" + "-".join(str(size) for size in sizes))
        else:
            parts.append(f"adaptive-g{model['granularity']}")
        return "_".join([*parts, f"s{self.config['seed']}", self.hash])

    @property
    def id(self) -> str:
        """W&B id: the same for every continuation of the run."""
        return self.name.replace("_", "-")

    @property
    def directory(self) -> Path:
        """The run directory."""
        return self.output_dir / self.name

    @property
    def tags(self) -> tuple[str, ...]:
        """W&B tags: model, data set, source, beta, granularity."""
        model, data = self.config["model"], self.config["dataset"]
        tags = [self.model, file_name(data), data["source"]]
        tags += [f"beta={label(model['beta'])}"] if "beta" in model else []
        sizes = model.get("partition")
        if sizes is None:
            return (*tags, f"granularity={label(model['granularity'])}")
        return (*tags, f"partition={sizes}" if isinstance(sizes, list) else "partition=adaptive")


def file_name(node: Mapping[str, Any]) -> str:
    """`stcvae` for a config node with `_target_: vae_granularity.models.stcvae.BetaSTCVAE`."""
    return str(node["_target_"]).split(".")[-2]


def write_atomically(path: Path, text: str) -> None:
    """The whole text or nothing: written beside `path`, flushed to disk, then moved there."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def checkpoints(directory: Path) -> list[Path]:
    """Checkpoints that training can go on from, the newest first; the best one is not among
    them.
    """
    folder = directory / CHECKPOINTS
    steps = sorted((int(p.stem.removeprefix("step=")), p) for p in folder.glob("step=*.ckpt"))
    final = [folder / FINAL] if (folder / FINAL).exists() else []
    return final + [path for _, path in reversed(steps)]
