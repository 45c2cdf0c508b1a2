"""From the command line to a checked config before torch is loaded; what a mistyped key meant."""

import difflib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from vae_granularity.errors import ArgumentError, UserError, integer
from vae_granularity.partitions.grouping import grouping_of
from vae_granularity.training.help import help_text

RENAMED = {  # keys of earlier versions
    "callbacks.last": "callbacks.checkpoint",
    "mix": "allow_mixed",
    "draws": "num_bootstrap",
    "rows": "max_rows",
}


def config_dir() -> Path:
    """The folder of yaml files: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def compose(config_name: str, overrides: list[str]) -> DictConfig:
    """The composed config without Hydra's own node."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return _own(hydra.compose(config_name, overrides=overrides, return_hydra_config=True))


def job_config(context: HydraContext, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The config of one job of a multirun, without Hydra's own node."""
    return _own(context.config_loader.load_sweep_config(config, list(overrides)))


def _own(config: DictConfig) -> DictConfig:
    with read_write(config), open_dict(config):
        return named(config, config.pop("hydra").runtime.choices)


def named(config: DictConfig, choices: Mapping[str, Any]) -> DictConfig:
    """The config, with the options that name a run under `names`; an option in a folder of its
    group, as `mine/foo`, is called by its file.
    """
    if "model" in choices:
        files = {group: choices[group].rpartition("/")[2] for group in ("model", "dataset")}
        with read_write(config), open_dict(config):
            config.names = files
    return config


def run_command(config_name: str, job: Callable[[DictConfig], Any]) -> None:
    """Run `job` under Hydra with `sys.argv`; a mistake is one message and exit code 2 or 1.

    2 is for an argument, 1 for anything else that the user can mend.
    """

    def reported(cfg: DictConfig) -> Any:
        one_of_many = HydraConfig.get().mode is RunMode.MULTIRUN
        # What Lightning starts for each further device of a run is this command again: in a sweep,
        # for the running point alone.
        sys.argv[1:] = [*HydraConfig.get().overrides.hydra, *HydraConfig.get().overrides.task]
        try:
            return job(named(cfg, HydraConfig.get().runtime.choices))
        except UserError as error:
            if not one_of_many:
                print(f"error: {error}", file=sys.stderr)
                sys.exit(2 if isinstance(error, ArgumentError) else 1)
            print(f"failed: {error}", file=sys.stderr, flush=True)
            raise
        except Exception:  # of any kind, and raised again: a launcher keeps the traceback to itself
            if one_of_many:
                traceback.print_exc()
            raise

    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(config_dir(), config_name, sys.argv[1:]))
        return
    # Hydra would print its own report and exit; it raises only when asked to.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(config_path=str(config_dir()), config_name=config_name, version_base="1.3")(
            reported
        )()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {explain(error, config_name)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # outside the steps of training, which stop by themselves
        print("\ninterrupted: the same command continues", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def explain(error: Exception, config_name: str) -> str:
    """One message for a config that does not compose, with what was probably meant."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        meant, options = _did_you_mean(name, error.options), ", ".join(error.options)
        return f"{group} has no option {name!r}{meant}; there are {options}"
    cause = error.__cause__
    key = str(getattr(cause, "full_key", None) or getattr(cause, "key", None) or "")
    first_line = str(error).splitlines()[0]
    if isinstance(error, ConfigCompositionException) and key:
        names = _keys(_default_config(config_name))
        known = [name for name in names if not name.rpartition(".")[2].startswith("_")]
        return f"{first_line.rstrip('.')}: no such key {key!r}{_did_you_mean(key, known)}"
    return first_line if cause is None else f"{first_line} {str(cause).splitlines()[0]}"


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    renamed = [new for old, new in RENAMED.items() if word == old and new in known]
    matches = renamed or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f", did you mean {matches[0]!r}?" if matches else ""


def _default_config(config_name: str) -> DictConfig:
    # The groups chosen on the command line decide which keys exist, the values of keys do not.
    chosen = [a for a in sys.argv[1:] if "=" in a and "," not in a]
    groups = [a for a in chosen if (config_dir() / a.split("=")[0]).is_dir()]
    try:
        return compose(config_name, groups)
    except HydraException:
        return compose(config_name, [])


def _keys(cfg: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in cfg:
        name = f"{prefix}{key}"
        yield name
        node = cfg._get_node(key)
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_interpolation():
            yield from _keys(node, f"{name}.")


def check_training_config(cfg: DictConfig) -> None:
    """What can be known without torch: ranges of the seed, the number of steps and the partition.

    Raises:
        ArgumentError: names the key, its value and the accepted range.
    """
    missing = OmegaConf.missing_keys(cfg)
    if missing:
        raise ArgumentError(f"config keys without a value: {', '.join(sorted(missing))}")
    integer("seed", cfg.seed, 0, 2**32 - 1)
    integer("trainer.max_steps", cfg.trainer.max_steps, 1)
    model: Any = OmegaConf.to_container(cfg.model, resolve=True)
    grouping_of(model).at(0)
