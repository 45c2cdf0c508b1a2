"""Name a run after what decides its trained weights; its directory and files follow."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vae_granularity.files import digest
from vae_granularity.partitions.grouping import grouping_of
from vae_granularity.partitions.schedules import label

RESULTS = "results.json"
CONFIG = "config.yaml"
CHECKPOINTS = "checkpoints"
FINAL = "final.ckpt"
# Bytes of a run's name. An encrypted home takes 143 for a file, and W&B names a folder by 28 more.
MAX_NAME_BYTES = 115
MAX_TAG = 64  # letters of a W&B tag
VERSION = 2  # of this rule, and part of the hash: what another rule named is never continued
GROUPS = ("model", "net", "likelihood", "optimizer", "dataset", "seed", "trainer", "callbacks")
PATH_KEYS = (
    "data_dir",
    "cache_dir",
    "device",
)  # keys of a data set: where its files and images lie
# And which of its images a run sees when.
SPLIT_KEYS = ("seed", "batch_size", "val_fraction", "correlation")
# What a data set's config says since its runs are named, as long as it says nothing new: runs of
# before keep their names. Older keys count as they are written: the size of mnist and blocks.
SIZED = ("dsprites", "shapes3d", "cars3d", "mpi3d", "celeba", "smallnorb")
USUAL_SIZES = dict.fromkeys(SIZED, 64) | {"mnist": 32}
# Options of networks and models that are younger than the names of runs, with the value that leaves
# everything as it was: runs of before keep their names.
LATER_OPTIONS = {"net.initialisation": "torch", "model.kl": "minibatch"}
# Keys of a trainer that change no weight, or only their rounding, as the kind of device does:
# `devices` and `num_nodes` count as the number of processes.
HARDWARE = ("accelerator", "barebones", "benchmark", "deterministic", "devices", "num_nodes")
CHECKS = ("detect_anomaly", "inference_mode", "num_sanity_val_steps", "val_check_interval")
LIMITS = ("check_val_every_n_epoch", "limit_predict_batches", "limit_test_batches", "max_time")
LOGS = ("default_root_dir", "enable_autolog_hparams", "enable_checkpointing", "logger", "profiler")
SHOWN = ("enable_model_summary", "enable_progress_bar", "limit_val_batches", "log_every_n_steps")
IDLE_TRAINER_KEYS = frozenset({*HARDWARE, *CHECKS, *LIMITS, *LOGS, *SHOWN})
# Of standard errors of single scores, which are no longer computed.
RETIRED_KEYS = ("evaluation.subsamples", "evaluation.draws")
# Callbacks that only watch; CompiledStep changes rounding only. GatherBatches changes the loss.
CALLBACKS = "vae_granularity.training.callbacks."
OBSERVERS = frozenset(
    {
        "BestCheckpoint",
        "CompiledStep",
        "NewestCheckpoints",
        "PeriodicEvaluation",
        "ProgressBar",
        "TermLogger",
    }
)


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a resolved config that decide the weights: runs equal in them are one run.

    Model, network, likelihood, optimiser, images and their order, seed, the trainer's length,
    precision and number of processes, and callbacks that act on training. Not where files lie,
    what is logged, measured or drawn; nor `compile` and the kind of device: they change rounding.

    >>> identity({"seed": 1, "trainer": {"devices": 2, "accelerator": "gpu"}, "metrics": {}})
    {'seed': 1, 'trainer': {'processes': 2}, 'callbacks': {}}
    """
    deciding = {group: config[group] for group in GROUPS if group in config}
    paths = [f"dataset.{key}" for key in PATH_KEYS]
    idle = [f"trainer.{key}" for key in IDLE_TRAINER_KEYS]
    legacy = [f"dataset.{key}" for key in legacy_default_keys(config.get("dataset", {}))]
    legacy += [
        key for key, value in flat(config) if key in LATER_OPTIONS and LATER_OPTIONS[key] == value
    ]
    deciding = without(deciding, [*paths, *idle, *legacy])
    deciding["callbacks"] = acting_callbacks(config)
    if "trainer" in deciding:
        deciding["trainer"]["processes"] = processes(config["trainer"])
    return deciding


def acting_callbacks(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the callbacks that may change the weights: all but this package's observers.

    >>> acting_callbacks({"callbacks": {"mine": {"_target_": "my.Clip"}, "none": None}})
    {'mine': {'_target_': 'my.Clip'}}
    >>> earlier = "vae_granularity.training.callbacks.terms.TermLogger"
    >>> acting_callbacks({"callbacks": {"terms": {"_target_": earlier}}})
    {}
    """
    return {
        name: node
        for name, node in config.get("callbacks", {}).items()
        if node and "_target_" in node and not _only_watches(node["_target_"])
    }


def _only_watches(target: str) -> bool:
    """Return whether a callback is an observer of this package, in this or an earlier version.

    Earlier versions had each callback in a module of its own below `CALLBACKS`.
    """
    return target.startswith(CALLBACKS) and target.rpartition(".")[2] in OBSERVERS


def processes(trainer: Mapping[str, Any]) -> int | str:
    """Return the number of processes of a trainer's config; words such as `auto` stay.

    >>> processes({"devices": [0, 1], "num_nodes": 2}), processes({"devices": "auto"})
    (4, 'auto')
    """
    devices = trainer.get("devices", "auto")
    nodes = trainer.get("num_nodes", 1)
    if isinstance(devices, str) and "," in devices:
        devices = [index for index in devices.split(",") if index.strip()]
    count = len(devices) if isinstance(devices, (list, tuple)) else devices
    if isinstance(count, str) and count.isdigit():
        count = int(count)
    if isinstance(count, int) and count > 0:
        return count * nodes
    return str(count) if nodes == 1 else f"{count} on {nodes} nodes"


def legacy_default_keys(dataset: Mapping[str, Any]) -> list[str]:
    """Return the keys of a data set, younger than the names of runs, that have their default.

    >>> legacy_default_keys({"_target_": "data.shapes3d.Shapes3D", "image_size": 64, "seed": 0})
    ['image_size']
    """
    name = file_name(dataset) if "_target_" in dataset else ""
    usual: dict[str, tuple[Any, ...]] = {"correlation": (None,)}
    if name in SIZED:
        usual["image_size"] = (None, USUAL_SIZES[name])
    if name == "images":
        usual["factor_kinds"] = (None,)
    if name == "dsprites":
        usual |= {"variant": (None,), "background": (None,)}
    return [key for key, values in usual.items() if key in dataset and dataset[key] in values]


def images_of(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a data set's config that decide which image is which.

    >>> images_of({"variant": "toy", "seed": 1, "batch_size": 64, "data_dir": "data"})
    {'variant': 'toy'}
    """
    return without(dataset, [*PATH_KEYS, *SPLIT_KEYS, *legacy_default_keys(dataset)])


def run_hash(config: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits of a config's identity; 4 and 4.0 are one value.

    >>> run_hash({"seed": 1.0, "logger": {"mode": "online"}}) == run_hash({"seed": 1})
    True
    """
    return short_digest([VERSION, identity(config)])


def short_digest(node: Any) -> str:
    """Return eight hexadecimal digits of plain values, whatever the order of their keys.

    >>> short_digest({"a": 1, "b": 2.0}) == short_digest({"b": 2, "a": 1.0})
    True
    """
    return digest(json.dumps(_whole(node), sort_keys=True))[:8]


def _whole(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _whole(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_whole(value) for value in node]
    # A config file says 4 where a command line says 4.0.
    return int(node) if isinstance(node, float) and node.is_integer() else node


def without(config: Mapping[str, Any], keys: Iterable[str], prefix: str = "") -> dict[str, Any]:
    """Return a nested config less some dotted keys.

    >>> without({"model": {"beta": 4, "granularity": 2}, "seed": 1}, ["model.beta", "no.key"])
    {'model': {'granularity': 2}, 'seed': 1}
    """
    left_out = frozenset(keys)
    return {
        key: without(value, left_out, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in config.items()
        if f"{prefix}{key}" not in left_out
    }


def without_retired(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's config less the keys that earlier versions wrote and this one does not take.

    >>> without_retired({"seed": 1, "evaluation": {"every": 5, "draws": 5}})
    {'seed': 1, 'evaluation': {'every': 5}}
    """
    ours = [
        name
        for name, node in (config.get("metrics") or {}).items()
        if str((node or {}).get("_target_")).startswith("vae_granularity.")
    ]
    return without(config, [*RETIRED_KEYS, *(f"metrics.{name}.with_errors" for name in ours)])


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values of a nested config.

    >>> dict(flat({"model": {"beta": 4}, "seed": 1}))
    {'model.beta': 4, 'seed': 1}
    """
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@dataclass(frozen=True)
class RunInfo:
    """Name of a run, from its resolved config, the source of its data settled, and a folder."""

    config: dict[str, Any]
    output_dir: Path

    @cached_property
    def hash(self) -> str:
        """`run_hash` of the config."""
        return run_hash(self.config)

    @property
    def model(self) -> str:
        """Short name of the model: that of its yaml file."""
        return option_name(self.config, "model")

    @property
    def dataset(self) -> str:
        """Short name of the data set with its variant, an unusual size, `dependent` factors, and
        `rendered` for images that are not real.
        """
        node = self.config["dataset"]
        size = node.get("image_size")
        usual = USUAL_SIZES.get(file_name(node))
        words = [option_name(self.config, "dataset"), _of_path(node), node.get("variant")]
        words += [str(size)] if size and size != usual else []
        words += ["dependent"] if node.get("correlation") else []
        words += ["rendered"] if node["source"] == "rendered" else []
        return "-".join(filter(None, words))

    @cached_property
    def name(self) -> str:
        """Short readable name and hash; also the name of the directory."""
        model = self.config["model"]
        beta = [f"b{label('model.beta', model['beta'])}"] if "beta" in model else []
        words = "_".join([self.model, self.dataset, *beta, grouping_of(model).label])
        # Seed and hash stay whole: they tell runs apart. Only the words before them are shortened.
        end = f"_s{self.config['seed']}_{self.hash}"
        return shortened(words, MAX_NAME_BYTES - len(end)) + end

    @property
    def id(self) -> str:
        """W&B id: the same for every continuation of the run."""
        return re.sub(r"[_:;,#?/']", "-", self.name)  # W&B takes none of these but the first

    @property
    def directory(self) -> Path:
        """The run directory."""
        return self.output_dir / self.name

    @property
    def tags(self) -> tuple[str, ...]:
        """W&B tags: model, data set, source, beta, granularity."""
        model = self.config["model"]
        data = self.config["dataset"]
        beta = [f"beta={label('model.beta', model['beta'])}"] if "beta" in model else []
        name = option_name(self.config, "dataset")
        tags = (self.model, name, data["source"], *beta, grouping_of(model).tag)
        return tuple(shortened(tag, MAX_TAG) for tag in tags)


def shortened(text: str, most: int) -> str:
    """Return a name of at most `most` bytes of UTF-8: one that is longer ends with its hash.

    >>> shortened("granularity=2", 64), shortened("p" + "-1" * 40, 20)
    ('granularity=2', 'p-1-1-1-1-1-46c1321f')
    """
    letters = text.encode()
    if len(letters) <= most:
        return text
    end = f"-{short_digest(text)}"
    # A letter that is cut in two is left out.
    return letters[: most - len(end)].decode(errors="ignore").rstrip("-") + end


def _of_path(dataset: Mapping[str, Any]) -> str | None:
    """Return the last part of the path of one's own images, in letters and digits."""
    stem = str(dataset.get("path") or "").rstrip("/").rpartition("/")[2].removesuffix(".npz")
    return re.sub(r"[^A-Za-z0-9]+", "", stem)[:24] or None


def option_name(config: Mapping[str, Any], group: str) -> str:
    """Return the name of a group's option in a run's config: that of its yaml file.

    >>> option_name({"names": {"model": "mine"}, "model": {"_target_": "a.b.C"}}, "model")
    'mine'
    >>> option_name({"model": {"_target_": "vae_granularity.models.stcvae.BetaSTCVAE"}}, "model")
    'stcvae'
    """
    return config.get("names", {}).get(group) or file_name(config[group])


def file_name(node: Mapping[str, Any]) -> str:
    """Return the name of the file that a config node's class lies in.

    >>> file_name({"_target_": "vae_granularity.models.stcvae.BetaSTCVAE"})
    'stcvae'
    """
    return str(node["_target_"]).split(".")[-2]


def checkpoints(directory: Path) -> list[Path]:
    """Return checkpoints to continue from, the newest first; the best one is not among them."""
    folder = directory / CHECKPOINTS
    named = ((p.stem.removeprefix("step="), p) for p in folder.glob("step=*.ckpt"))
    steps = sorted((int(step), p) for step, p in named if step.isascii() and step.isdigit())
    final = [folder / FINAL] if (folder / FINAL).exists() else []
    return final + [path for _, path in reversed(steps)]
