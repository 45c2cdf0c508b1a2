"""What decides a run's trained weights, and the name, directory and files that follow from it."""

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

RESULTS, CONFIG, CHECKPOINTS, FINAL = "results.json", "config.yaml", "checkpoints", "final.ckpt"
# Bytes of a run's name. An encrypted home takes 143 for a file, and W&B names a folder by 28 more.
MAX_NAME_BYTES = 115
MAX_TAG = 64  # letters of a W&B tag
VERSION = 2  # of this rule, and part of the hash: what another rule named is never continued
PARTS = ("model", "net", "likelihood", "optimizer", "dataset", "seed", "trainer", "callbacks")
PLACES = ("data_dir", "cache_dir", "device")  # keys of a data set: where its files and images lie
# And which of its images a run sees when.
ORDER = ("seed", "batch_size", "val_fraction", "correlation")
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
# Modules of callbacks that only watch: `compiled` changes rounding only. `gather` is none of them.
OBSERVERS = frozenset(
    f"vae_granularity.training.callbacks.{name}"
    for name in ("checkpoint", "compiled", "evaluation", "progress", "terms")
)


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that decides the trained weights: runs equal in it are one run.

    Model, network, likelihood, optimiser, images and their order, seed, the trainer's length,
    precision and number of processes, and callbacks that act on training. Not where files lie,
    what is logged, measured or drawn; nor `compile` and the kind of device: they change rounding.

    >>> identity({"seed": 1, "trainer": {"devices": 2, "accelerator": "gpu"}, "metrics": {}})
    {'seed': 1, 'trainer': {'processes': 2}, 'callbacks': {}}
    """
    found = {part: config[part] for part in PARTS if part in config}
    places = [f"dataset.{key}" for key in PLACES]
    idle = [f"trainer.{key}" for key in IDLE_TRAINER_KEYS]
    unsaid = [f"dataset.{key}" for key in unsaid_keys(config.get("dataset", {}))]
    unsaid += [key for key, value in flat(config) if LATER_OPTIONS.get(key) == value]
    found = without(found, [*places, *idle, *unsaid]) | {"callbacks": acting_callbacks(config)}
    if "trainer" in found:
        found["trainer"]["processes"] = processes(config["trainer"])
    return found


def acting_callbacks(config: Mapping[str, Any]) -> dict[str, Any]:
    """The callbacks of a config that may change the weights: all but this package's observers.

    >>> acting_callbacks({"callbacks": {"mine": {"_target_": "my.Clip"}, "none": None}})
    {'mine': {'_target_': 'my.Clip'}}
    """
    return {
        name: node
        for name, node in config.get("callbacks", {}).items()
        if node and "_target_" in node and node["_target_"].rpartition(".")[0] not in OBSERVERS
    }


def processes(trainer: Mapping[str, Any]) -> int | str:
    """Number of processes of a trainer's config; words such as `auto` stay as they are.

    >>> processes({"devices": [0, 1], "num_nodes": 2}), processes({"devices": "auto"})
    (4, 'auto')
    """
    devices, nodes = trainer.get("devices", "auto"), trainer.get("num_nodes", 1)
    if isinstance(devices, str) and "," in devices:
        devices = [place for place in devices.split(",") if place.strip()]
    count = len(devices) if isinstance(devices, (list, tuple)) else devices
    if isinstance(count, str) and count.isdigit():
        count = int(count)
    if isinstance(count, int) and count > 0:
        return count * nodes
    return str(count) if nodes == 1 else f"{count} on {nodes} nodes"


def unsaid_keys(dataset: Mapping[str, Any]) -> list[str]:
    """Keys of a data set's config, younger than the names of runs, that ask for nothing new.

    >>> unsaid_keys({"_target_": "data.shapes3d.Shapes3D", "image_size": 64, "seed": 0})
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
    """The keys of a data set's config that decide which image is which.

    >>> images_of({"variant": "toy", "seed": 1, "batch_size": 64, "data_dir": "data"})
    {'variant': 'toy'}
    """
    return without(dataset, [*PLACES, *ORDER, *unsaid_keys(dataset)])


def run_hash(config: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of the identity of a resolved config; 4 and 4.0 are one value.

    >>> run_hash({"seed": 1.0, "logger": {"mode": "online"}}) == run_hash({"seed": 1})
    True
    """
    return short_digest([VERSION, identity(config)])


def short_digest(node: Any) -> str:
    """Eight hexadecimal digits of plain values, whatever the order of their keys.

    >>> short_digest({"a": 1, "b": 2.0}) == short_digest({"b": 2, "a": 1.0})
    True
    """
    return digest(json.dumps(_whole(node), sort_keys=True))[:8]


def _whole(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _whole(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_whole(value) for value in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def without(config: Mapping[str, Any], keys: Iterable[str], prefix: str = "") -> dict[str, Any]:
    """A nested config less some dotted keys.

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
    """Dotted keys and values of a nested config.

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
    """What names a run: its resolved config, with the source of its data settled, and a folder."""

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
        size, usual = node.get("image_size"), USUAL_SIZES.get(file_name(node))
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
        model, data = self.config["model"], self.config["dataset"]
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
    """The last part of the path of one's own images, in letters and digits."""
    stem = str(dataset.get("path") or "").rstrip("/").rpartition("/")[2].removesuffix(".npz")
    return re.sub(r"[^A-Za-z0-9]+", "", stem)[:24] or None


def option_name(config: Mapping[str, Any], group: str) -> str:
    """The name of a group's option in a run's config: its yaml file's, as the command line has it.

    >>> option_name({"names": {"model": "mine"}, "model": {"_target_": "a.b.C"}}, "model")
    'mine'
    >>> option_name({"model": {"_target_": "vae_granularity.models.stcvae.BetaSTCVAE"}}, "model")
    'stcvae'
    """
    return config.get("names", {}).get(group) or file_name(config[group])


def file_name(node: Mapping[str, Any]) -> str:
    """The name of the file that a config node's class lies in.

    >>> file_name({"_target_": "vae_granularity.models.stcvae.BetaSTCVAE"})
    'stcvae'
    """
    return str(node["_target_"]).split(".")[-2]


def checkpoints(directory: Path) -> list[Path]:
    """Checkpoints to continue training from, the newest first; the best one is not among them."""
    folder = directory / CHECKPOINTS
    named = ((p.stem.removeprefix("step="), p) for p in folder.glob("step=*.ckpt"))
    steps = sorted((int(step), p) for step, p in named if step.isascii() and step.isdigit())
    final = [folder / FINAL] if (folder / FINAL).exists() else []
    return final + [path for _, path in reversed(steps)]
