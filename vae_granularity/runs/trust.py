"""Check that a run's config names only classes of this package or of packages the caller trusts.

Someone else may have written the run directory. Of what its config.yaml names, only the models,
networks, data sets, likelihoods and metrics of this package, torch's optimisers and what the caller
trusts are built; see docs/trust.md.
"""

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vae_granularity.errors import DataError, UserError
from vae_granularity.runs.config_file import load_config
from vae_granularity.runs.identity import CONFIG, without_retired

HERE = "vae_granularity"
# By config group: the package that what it builds lies in, and the class that it is (None: a
# function that the package lists in `__all__`).
ALLOWED_CLASSES: dict[str, tuple[str, str | None]] = {
    "model": (f"{HERE}.models", f"{HERE}.models.base.LatentModel"),
    "net": (f"{HERE}.nets", f"{HERE}.nets.base.Network"),
    "dataset": (f"{HERE}.data", f"{HERE}.data.base.ImageDataModule"),
    "likelihood": (f"{HERE}.likelihoods", "torch.nn.Module"),
    "optimizer": ("torch.optim", "torch.optim.Optimizer"),
    "evaluation": (f"{HERE}.evaluation", f"{HERE}.evaluation.protocol.EvaluationProtocol"),
    "metrics": (f"{HERE}.metrics", None),
}
NEEDED = ("model", "net", "dataset", "likelihood", "optimizer", "evaluation", "seed")
# By config group: names of what only training builds, which no file of a run directory is read for.
# Earlier versions had some of it elsewhere.
LIGHTNING = r"lightning\.pytorch\.{}\.([a-z_]+\.)*[A-Z]\w+"
OWN = rf"{HERE}\.(training\.)?" + r"{}\.([a-z_]+\.)?{}"
TRAINING_ONLY = {
    "trainer": (r"lightning\.(pytorch\.)?Trainer", LIGHTNING.format("[a-z]+")),
    "logger": (OWN.format("loggers", "[a-z]+_loggers"), LIGHTNING.format("loggers")),
    "callbacks": (OWN.format("callbacks", r"[A-Z]\w+"), LIGHTNING.format("callbacks")),
}
NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
# Packages whose functions read, write or run whatever they are told: no advice to trust these.
NEVER_TRUSTED = {*sys.stdlib_module_names, HERE, "torch", "lightning", "numpy", "pandas", "joblib"}
NEVER_TRUSTED |= {"scipy", "sklearn", "hydra", "omegaconf", "yaml", "datasets", "h5py", "PIL"}
Trust = Sequence[str] | str


def read_config(directory: Path, trust: Trust = ()) -> DictConfig:
    """config.yaml of a run directory, resolved, whose targets may be called.

    Args:
        trust: packages, or dotted names in them, that the caller lets it name besides.

    Raises:
        DataError: it cannot be read, asks for more than other keys of its own, or names a target
            that is not trusted; the message tells the key, the target and what would allow it.
    """
    path = directory / CONFIG
    if not path.exists():
        raise DataError(f"{directory} is no run directory: it has no {CONFIG}")
    config = load_config(path)
    try:
        check_targets(config, trust)
        if not set(NEEDED) <= set(config):
            missing = ", ".join(key for key in NEEDED if key not in config)
            raise DataError(f"it is no config of a run: it has no {missing}")
        return OmegaConf.create(without_retired(config))
    except UserError as error:
        raise DataError(f"{path}: {error}") from None
    except OmegaConfBaseException as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from error


def check_targets(config: Any, trust: Trust = ()) -> None:
    """Refuse a resolved config with a `_target_`, at any depth, that is not trusted.

    All names are looked at before the first of them is imported.

    >>> check_targets({"model": {"_target_": "os.system", "_args_": ["ls"]}})
    Traceback (most recent call last):
    vae_granularity.errors.DataError: model names os.system, which a run directory may not call

    Raises:
        DataError: names the key, the target and, for a package of one's own, what allows it.
    """
    trusted = (trust,) if isinstance(trust, str) else tuple(trust)
    named = list(targets(config))
    allowed = [_check_target(key, target, trusted) for key, target in named]
    for (key, target), is_allowed in zip(named, allowed, strict=True):
        if not is_allowed():
            raise DataError(f"{key} names {target}, which {_refusal(target)}")


def targets(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield key and `_target_` of each node of a config that has one."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield key, node["_target_"]
        for name, value in node.items():
            yield from targets(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from targets(value, f"{key}[{i}]")


def _check_target(key: str, target: Any, trusted: Sequence[str]) -> Callable[[], bool]:
    """Check the name of a target; return a function that imports it and checks its class.

    Raises:
        DataError: the name alone tells that it is not to be imported.
    """
    group = re.split(r"[.\[]", key)[0]
    if not isinstance(target, str) or not NAME.fullmatch(target) or "__" in target:
        raise DataError(f"{key}._target_ must be the dotted name of a class, got {target!r}")
    if _is_under(target, trusted):
        return lambda: target in trusted or _lies_in(target, trusted)
    if any(re.fullmatch(name, target) for name in TRAINING_ONLY.get(group, ())):
        return lambda: True
    groups = ("evaluation", "metrics") if group == "callbacks" else (group,)  # ${metrics}, resolved
    kinds = [ALLOWED_CLASSES[name] for name in groups if name in ALLOWED_CLASSES]
    fitting = [kind for kind in kinds if _is_under(target, kind[:1])]
    if not fitting:
        raise DataError(f"{key} names {target}, which {_refusal(target)}")
    return lambda: any(_is_one(target, *kind) for kind in fitting)


def _is_under(target: str, packages: Sequence[str]) -> bool:
    return any(target == name or target.startswith(f"{name}.") for name in packages)


def _lies_in(target: str, packages: Sequence[str]) -> bool:
    """Return whether the object was defined in these packages, not only imported by them."""
    try:
        imported = get_object(target)
    except (InstantiationException, ImportError, AttributeError, ValueError) as error:
        raise DataError(f"{target} cannot be imported: {error}") from error
    return _is_under(_full_name(imported), packages)


def _is_one(target: str, package: str, kind: str | None) -> bool:
    """Return whether the target is a class of that kind, or a listed function, of the package."""
    module, _, name = target.rpartition(".")
    if kind is None:
        listed = import_module(package)
        function = getattr(listed, name, None)
        return name in listed.__all__ and target in (f"{package}.{name}", _full_name(function))
    try:
        candidate = getattr(import_module(module), name, None)
    except ImportError:
        return False
    base = getattr(import_module(kind.rpartition(".")[0]), kind.rpartition(".")[2])
    if not inspect.isclass(candidate) or not issubclass(candidate, base):
        return False
    return _is_under(candidate.__module__, [package])


def _full_name(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"


def _refusal(target: str) -> str:
    package = target.split(".")[0]
    if package in NEVER_TRUSTED:
        return "a run directory may not call"
    return (
        f"is not of this program; if the package is yours, or you have read its code: "
        f"trust=[{package}]"
    )


def check_links(
    directory: Path, home: Path | None = None, *, written: Sequence[str] | None = None
) -> None:
    """Refuse to write into a directory with links that lead out of it, or out of `home`.

    Args:
        directory: that will be written into.
        home: folder that links may lead to; None for the directory itself.
        written: files and folders of the directory that will be written; None for all of it. Other
            programs leave links of their own elsewhere: W&B one to its debug log.

    Raises:
        DataError: names the link and where it leads.
    """
    inside = os.path.realpath(home or directory)
    targets = [directory] if written is None else [directory / name for name in written]
    paths = {str(directory), *map(str, targets)}
    for target in targets:
        for parent, folders, files in os.walk(target):
            paths.update(os.path.join(parent, name) for name in (*folders, *files))
    for path in sorted(paths):
        leads_to = os.path.realpath(path)
        if os.path.commonpath([inside, leads_to]) != inside:
            raise DataError(
                f"{path} is a link that leads out of {home or directory}, to {leads_to}: "
                "nothing is written there; remove the link"
            )
