"""Build the objects that a composed config names."""

import re
from collections.abc import Collection, Mapping
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf

from vae_granularity import likelihoods
from vae_granularity.data.base import ImageDataModule
from vae_granularity.densities.values import VALUES, admits
from vae_granularity.errors import ArgumentError, UserError
from vae_granularity.models.base import LatentModel, Parts
from vae_granularity.partitions.schedules import Schedule, schedule


def build(cfg: DictConfig, reads_only: Collection[str] = ()) -> tuple[LatentModel, ImageDataModule]:
    """Build model and data of a config, whose seed decides the initial weights. Reads no data.

    Args:
        cfg: composed or of a run directory.
        reads_only: of data_dir and cache_dir, those that nothing is written to.

    Raises:
        ArgumentError: an argument is out of range, or the likelihood does not admit the data.
    """
    data: ImageDataModule = create(cfg.dataset)
    data.reads_only = reads_only
    # The network says which sizes of images it takes, and `inspect` checks them unread.
    data.size_multiple = getattr(get_class(cfg.net._target_), "size_multiple", 1)
    data.inspect()
    likelihood = create(cfg.likelihood)
    check_support(likelihood, data)
    # The seed decides the initial weights, whatever was drawn in this process before.
    torch.manual_seed(cfg.seed)
    net = create(cfg.net, image_shape=data.image_shape)
    net.to(memory_format=torch.channels_last)  # convolutions up to a third faster (docs/speed.md)
    make, learning_rate = create_optimizer(cfg)
    components = Parts(net, likelihood, make, cfg.seed, learning_rate)
    return create(cfg.model, parts=components), data


def match_precision(model: LatentModel, trainer: Mapping[str, Any]) -> None:
    """Give the model the dtype in which a trainer's config trains it: float64 or float32."""
    if str(trainer.get("precision", "")).startswith("64"):
        model.double()


def check_support(likelihood: Any, data: ImageDataModule) -> None:
    """Refuse a likelihood that is no density at the values the data set declares.

    Raises:
        ArgumentError: names the likelihood, the data set and the likelihoods that fit.
    """
    values = data.card.values
    if not admits(likelihood.support, values):
        fitting: set[str] = set()
        for module in iter_modules(likelihoods.__path__):
            members = vars(import_module(f"{likelihoods.__name__}.{module.name}")).values()
            if any(hasattr(m, "support") and admits(m.support, values) for m in members):
                fitting.add(module.name)
        raise ArgumentError(
            f"likelihood must fit dataset={data.name}, whose values are {VALUES[values]}: "
            f"one of {', '.join(sorted(fitting))}; got {type(likelihood).__name__}, whose values "
            f"are {VALUES[likelihood.support]}"
        )


def create(node: DictConfig, **runtime: Any) -> Any:
    """Call the node's `_target_` with its keys and the runtime arguments, passed as they are.

    Hydra's own `instantiate` would copy them into a config and wrap our errors.

    Raises:
        ArgumentError: it takes no such key.
    """
    call = instantiate(node, _partial_=True, _convert_="all")
    try:
        return call(**runtime)
    except TypeError as error:
        strange = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if strange is None or strange[1] not in call.keywords:
            raise
        raise ArgumentError(
            f"{node._get_full_key(strange[1])} is no argument of {call.func.__name__}, "
            f"got {call.keywords[strange[1]]!r}"
        ) from error


def create_optimizer(cfg: DictConfig) -> tuple[Any, Schedule | None]:
    """Return the optimiser of a config, still without weights, and its learning rate schedule.

    Its arguments are tried on one number.

    Raises:
        ArgumentError: an argument is out of range.
    """
    make = instantiate(cfg.optimizer)
    learning_rate = None
    if isinstance(cfg.optimizer.get("lr"), DictConfig):
        learning_rate = schedule("optimizer.lr", OmegaConf.to_object(cfg.optimizer.lr), 0.0)
        make = partial(make, lr=learning_rate(0))
    # A wrong argument shows here, before data are fetched.
    try:
        make([torch.nn.Parameter(torch.zeros(1))])
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"optimizer: {error}") from error
    return make, learning_rate


def create_callbacks(cfg: DictConfig) -> list[Any]:
    """Return the callbacks of a config; one that needs the run directory is a partial function.

    Raises:
        ArgumentError: an argument is out of range.
    """
    try:
        return list(instantiate(cfg.callbacks, _convert_="all").values())
    except InstantiationException as error:
        if isinstance(error.__cause__, UserError):  # of a constructor that Hydra called for us
            raise error.__cause__ from None
        raise


def create_metrics(cfg: DictConfig) -> dict[str, Any]:
    """Return the metrics of a config by name, with their options bound."""
    return instantiate(cfg.metrics, _convert_="all") if cfg.get("metrics") else {}
