"""From the command line to a checked config before torch is loaded; what a mistyped key meant."""

import errno
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from vae_granularity.errors import ArgumentError, UserError, choice, integer, writable_folder
from vae_granularity.partitions.grouping import grouping_of
from vae_granularity.runs.trust import NEVER_TRUSTED
from vae_granularity.terminal import PrintableRecord, end_if_unread, say, tolerant_output
from vae_granularity.training.arguments import check_arguments, group_options
from vae_granularity.training.help import help_text
from vae_granularity.training.suggestions import key_message, option_message
from vae_granularity.training.wandb_login import check_home, project_name, resolved_mode

ACCELERATORS = ("auto", "cpu", "cuda", "gpu", "mps")  # tpu needs packages that we do not test
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def config_dir() -> Path:
    """Return the folder of yaml files: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def compose(config_name: str, overrides: list[str]) -> DictConfig:
    """Return the composed config without Hydra's node."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return _drop_hydra_node(
            hydra.compose(config_name, overrides=overrides, return_hydra_config=True)
        )


def job_config(context: HydraContext, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return the config of one job of a multirun, without Hydra's node."""
    return _drop_hydra_node(context.config_loader.load_sweep_config(config, list(overrides)))


def _drop_hydra_node(config: DictConfig) -> DictConfig:
    with read_write(config), open_dict(config):
        return with_record(config, config.pop("hydra"))


def with_record(config: DictConfig, hydra_config: Any) -> DictConfig:
    """Return a training config with what is known of it now and asked for later.

    That is under `names` the options that name a run (one in a folder of its group, as `mine/foo`,
    is called by its file), and under `overrides` the command line less what is Hydra's.
    """
    choices = hydra_config.runtime.choices
    if "model" in choices:
        files = {group: choices[group].rpartition("/")[2] for group in ("model", "dataset")}
        task: Sequence[str] = hydra_config.overrides.task
        with read_write(config), open_dict(config):
            config.names = files
            config.overrides = [override for override in task if not override.startswith("+pack=")]
    return config


def run_command(config_name: str, job: Callable[[DictConfig], Any]) -> None:
    """Run `job` under Hydra with `sys.argv`; a mistake is one message and exit code 2 or 1.

    2 is for an argument, 1 for anything else that the user can mend.
    """
    with tolerant_output():
        _run_command(config_name, job)


def _run_command(config_name: str, job: Callable[[DictConfig], Any]) -> None:
    def reported(cfg: DictConfig) -> Any:
        one_of_many = HydraConfig.get().mode is RunMode.MULTIRUN
        # What Lightning starts for each further device of a run is this command again: in a sweep,
        # for the running point alone.
        # Unresolved: a reference in a value is one of the run's config, not of Hydra's.
        overrides: Any = OmegaConf.to_container(HydraConfig.get().overrides, resolve=False)
        sys.argv[1:] = [*overrides["hydra"], *overrides["task"]]
        try:
            _check_overrides(overrides["task"])
            if OmegaConf.is_list(cfg.get("trust")):
                cfg.trust += own_packages(HydraConfig.get().runtime.config_sources)
            return job(with_record(cfg, HydraConfig.get()))
        except Exception as error:
            if not one_of_many:
                end_if_unread(error)  # before Hydra writes of a failed job
            message = _message_without_traceback(error, config_name)
            if message is None and one_of_many:  # a launcher keeps the traceback to itself
                say(traceback.format_exc(), to_stderr=True)
            elif message is not None:
                word = "failed" if one_of_many else "error"
                say(f"{word}: {message}", to_stderr=True)
                if not one_of_many:
                    is_argument = isinstance(error, (ArgumentError, OmegaConfBaseException))
                    sys.exit(2 if is_argument else 1)
            raise

    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(config_dir(), config_name, sys.argv[1:]))
        return
    logging.setLogRecordFactory(PrintableRecord)
    # Hydra would print its own report and exit; it raises only when asked to.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    main = hydra.main(config_path=str(config_dir()), config_name=config_name, version_base="1.3")
    try:
        check_arguments(config_name, sys.argv[1:], config_dir())
        main(reported)()
    except KeyboardInterrupt:  # outside the steps of training, which stop by themselves
        say("\ninterrupted: the same command continues", to_stderr=True)
        sys.exit(128 + signal.SIGINT)
    except ArgumentError as error:  # in words that Hydra has not read yet
        say(f"error: {error}", to_stderr=True)
        sys.exit(2)
    except Exception as error:
        end_if_unread(error)
        end_with_message(error, config_name)


def _message_without_traceback(error: Exception, config_name: str) -> str | None:
    """Return a one-line message for user errors and full disks, else None."""
    if isinstance(error, OSError) and error.errno in DISK:
        path = f"{error.filename}: " if error.filename else ""
        return (
            f"{path}{error.strerror}. Nothing saved is lost; run the same command again to continue"
        )
    if isinstance(error, OmegaConfBaseException):  # a reference that leads nowhere
        return explain(error, config_name)
    return str(error) if isinstance(error, UserError) else None


def _check_overrides(overrides: Sequence[str]) -> None:
    values = dict(override.split("=", 1) for override in overrides if "=" in override)
    sizes = values.get("model.partition", "")
    if sizes.startswith("[") and "model.granularity" in values:
        raise ArgumentError(
            f"model.partition={sizes} takes the place of model.granularity: leave out "
            f"model.granularity={values['model.granularity']}"
        )


def end_with_message(error: Exception, config_name: str) -> NoReturn:
    """Say what is wrong with the command line and exit with 2; an error of ours is raised again."""
    if not isinstance(error, (HydraException, OmegaConfBaseException)) and _is_ours(error):
        raise error
    message = explain(error, config_name)
    if isinstance(error, TypeError):  # Hydra's own, of a choice that is no name
        message = f"{_odd_choice()}: {message}"
    say(f"error: {message}", to_stderr=True)
    sys.exit(2)


def _is_ours(error: Exception) -> bool:
    """Return whether the traceback contains a frame of this package, besides those that call Hydra.

    Of an odd command line Hydra raises anything.
    """
    package = str(Path(__file__).parents[1])
    callers_of_hydra = (_run_command.__name__, compose.__name__, "main", "_main")
    frames = traceback.extract_tb(error.__traceback__)
    files = [frame.filename for frame in frames if frame.name not in callers_of_hydra]
    return any(file.startswith(package) or "hydra_plugins/vae_" in file for file in files)


def own_packages(sources: Iterable[Any]) -> list[str]:
    """Return the packages that the caller's search path and --config-dir name, which are trusted.

    Args:
        sources: Hydra's `runtime.config_sources`.
    """
    packages: list[str] = []
    for source in sources:
        if source.provider in ("hydra", "main", "schema"):
            continue
        if source.schema == "pkg":
            packages.append(source.path.split(".")[0])
            continue
        for file in Path(source.path).rglob("*.yaml"):
            targets = re.findall(
                r"^\s*_target_:\s*([^\W\d]\w*)\.", file.read_text(encoding="utf-8"), re.MULTILINE
            )
            packages += [package for package in targets if package not in NEVER_TRUSTED]
    return list(dict.fromkeys(packages))


def explain(error: Exception, config_name: str) -> str:
    """Return one message for a config that does not compose, with what was probably meant."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        if not group:
            return f"--config-name={name}: there is no such file; leave it out"
        # Hydra does not tell the options where a list of them was given.
        options = error.options or group_options(group, [config_dir(), *_config_dirs()])
        return option_message(group, name, options)
    first_line = (str(error).splitlines() or [""])[0]
    if not first_line or isinstance(error, AssertionError):
        arguments = " ".join(sys.argv[1:])
        return f"Hydra cannot read the arguments ({type(error).__name__}): {arguments}"
    if first_line.startswith("Ambiguous value for argument"):
        override = first_line.partition("'")[2].rstrip("'")
        name = override.partition("=")[0]
        return f"{override}: several values are a sweep, train -m; a list is {name}=[…]"
    if first_line.startswith("Sweep parameters"):
        override = first_line.partition("'")[2].partition("'")[0]
        return f"{override}: several values are a sweep, train -m"
    if first_line.startswith("Config group override must be"):
        return f"{_odd_choice()}: {first_line.removeprefix('Config group override ')}"
    if first_line.startswith("Could not append"):
        return f"{first_line.rstrip('.')}: leave out the +"
    if first_line.endswith("No match in the defaults list."):
        return _no_group(first_line.partition("'")[2].partition("'")[0], config_name)
    cause = error.__cause__
    if isinstance(error, ConfigCompositionException) and first_line.startswith("Could not"):
        key = str(getattr(cause, "full_key", None) or getattr(cause, "key", None) or "")
        if key:
            request = first_line.partition("'")[2].partition("'")[0] or key
            reason = key_message(key, request, _default_config(config_name))
            return f"{first_line.rstrip('.')}: {reason}"
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} has no value: {error.full_key}=VALUE"
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return f"{error.full_key}: {first_line}"
    return first_line if cause is None else f"{first_line} {str(cause).splitlines()[0]}"


def _odd_choice() -> str:
    """Return the argument that chooses an option of a group by what is neither a name nor names."""
    arguments = [argument for argument in sys.argv[1:] if "=" in argument and argument[0] != "-"]
    overrides = OverridesParser.create().parse_overrides(arguments)
    for argument, override in zip(arguments, overrides, strict=True):
        is_group = (config_dir() / override.key_or_group).is_dir()
        value = override.value()
        names = value if isinstance(value, list) else [value]
        if is_group and not all(isinstance(name, str) for name in names):
            return argument
    return "an option of a group"


def _no_group(group: str, config_name: str) -> str:
    """Return what to say of a group that a command chooses no option of."""
    config = _default_config(config_name)
    if group in config:
        return f"{group} has no options for {config_name}; its keys are set by +{group}.KEY=VALUE"
    return f"{config_name} takes no {group}; it takes {', '.join(map(str, config))}"


def _config_dirs() -> Iterator[Path]:
    """Yield the values of --config-dir on the command line."""
    for flag, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        name, _, value = flag.partition("=")
        if name in ("--config-dir", "-cd"):
            yield Path(value or following)


def _default_config(config_name: str) -> DictConfig:
    # The groups chosen on the command line decide which keys exist, the values of keys do not.
    chosen = [a for a in sys.argv[1:] if "=" in a and "," not in a]
    groups = [a for a in chosen if (config_dir() / a.split("=")[0]).is_dir()]
    try:
        return compose(config_name, groups)
    except HydraException:
        return compose(config_name, [])


def check_training_config(cfg: DictConfig) -> None:
    """Check seed, steps, partition, accelerator, W&B login and output folder without torch.

    The folder of run directories is made.

    Raises:
        ArgumentError: names the key, its value and the accepted range.
    """
    missing = OmegaConf.missing_keys(cfg)
    if missing:
        raise ArgumentError(f"config keys without a value: {', '.join(sorted(missing))}")
    for group in ("model", "dataset", "trainer", "paths", "callbacks"):
        if not OmegaConf.is_dict(cfg.get(group)):
            raise ArgumentError(f"{group} must be a mapping, got {cfg.get(group)!r}")
    for name, path in cfg.paths.items():
        if not isinstance(path, str) or not path:
            raise ArgumentError(f"paths.{name} must be a path, got {path!r}")
    # A shell expands ~ at the beginning of a word only.
    cfg.paths.output_dir = os.path.expanduser(cfg.paths.output_dir)
    integer("seed", cfg.seed, 0, 2**32 - 1)
    steps = cfg.trainer.max_steps
    if isinstance(steps, float) and steps.is_integer():  # 1e5
        cfg.trainer.max_steps = steps = int(steps)
    integer("trainer.max_steps", steps, 1)
    check_trainer(cfg.trainer)
    model: Any = OmegaConf.to_container(cfg.model, resolve=True)
    grouping_of(model).at(0)
    choice("trainer.accelerator", cfg.trainer.get("accelerator", "auto"), ACCELERATORS)
    if "mode" in cfg.logger:  # W&B
        check_home()
        resolved_mode(cfg.logger.mode)
    if "project" in cfg.logger:
        project_name("logger.project", cfg.logger.project)
    writable_folder("paths.output_dir", cfg.paths.output_dir)


# Keys of Lightning's Trainer that would change which steps a run takes, with the values that do
# not. A run is trainer.max_steps optimiser steps of one batch each.
STEP_KEYS: dict[str, tuple[Any, ...]] = {
    "accumulate_grad_batches": (None, 1),
    "fast_dev_run": (None, False),
    "limit_train_batches": (None, 1.0),
    "max_epochs": (None,),
    "min_epochs": (None,),
    "min_steps": (None,),
    "overfit_batches": (None, 0, 0.0),
    "reload_dataloaders_every_n_epochs": (None, 0),
}
# Keys that the command sets itself.
OWN_KEYS = (
    "callbacks",
    "default_root_dir",
    "enable_checkpointing",
    "enable_model_summary",
    "enable_progress_bar",
    "log_every_n_steps",
    "logger",
    "use_distributed_sampler",
)
PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")
PRECISION_ALIASES = ("32", "64", "bf16", "16")


def check_trainer(trainer: Mapping[str, Any]) -> None:
    """Refuse keys of Lightning's Trainer that a run cannot honour.

    Raises:
        ArgumentError: names the key, its value and what to use instead.
    """
    for key, neutral in STEP_KEYS.items():
        if trainer.get(key) not in neutral:
            raise ArgumentError(
                f"trainer.{key} must be left out, got {trainer[key]}: a run takes "
                "trainer.max_steps steps of one batch each; set trainer.max_steps and "
                "dataset.batch_size"
            )
    for key in OWN_KEYS:
        if trainer.get(key) is not None:
            raise ArgumentError(
                f"trainer.{key} must be left out, got {trainer[key]}: the command sets it"
            )
    precision = str(trainer.get("precision", "32-true"))
    if precision not in (*PRECISIONS, *PRECISION_ALIASES):
        raise ArgumentError(
            f"trainer.precision must be one of {', '.join(PRECISIONS)}, got {precision}"
        )
