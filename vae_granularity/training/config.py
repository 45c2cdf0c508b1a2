"""From the command line to a checked config before torch is loaded; what a mistyped key meant."""

import difflib
import errno
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from vae_granularity.errors import ArgumentError, UserError, integer, writable_folder
from vae_granularity.partitions.grouping import grouping_of
from vae_granularity.runs.trust import NOT_ONES_OWN
from vae_granularity.terminal import PrintableRecord, say
from vae_granularity.training.help import help_text
from vae_granularity.training.loggers.login import resolved_mode

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
# Keys of earlier versions.
RENAMED = {"callbacks.last": "callbacks.checkpoint", "mix": "allow_mixed"}
RENAMED |= {"draws": "num_bootstrap", "rows": "max_rows"}
EXTRAS = {"submitit_local": "slurm", "submitit_slurm": "slurm"}  # launchers of other packages


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
        return with_record(config, config.pop("hydra"))


def with_record(config: DictConfig, hydra_config: Any) -> DictConfig:
    """Return a training config with what is known of it now and asked for later.

    That is under `names` the options that name a run (one in a folder of its group, as `mine/foo`,
    is called by its file), and under `overrides` the command line less what is Hydra's.
    """
    choices = hydra_config.runtime.choices
    if "model" in choices:
        files = {group: choices[group].rpartition("/")[2] for group in ("model", "dataset")}
        own = [one for one in hydra_config.overrides.task if not one.startswith("+pack=")]
        with read_write(config), open_dict(config):
            config.names = files
            config.overrides = own
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
            _check_overrides(HydraConfig.get().overrides.task)
            if OmegaConf.is_list(cfg.get("trust")):
                cfg.trust += own_packages(HydraConfig.get().runtime.config_sources)
            return job(with_record(cfg, HydraConfig.get()))
        except Exception as error:
            told = _told(error)
            if told is None and one_of_many:  # a launcher keeps the traceback to itself
                say(traceback.format_exc(), to_stderr=True)
            elif told is not None:
                word = "failed" if one_of_many else "error"
                say(f"{word}: {told}", to_stderr=True)
                if not one_of_many:
                    sys.exit(2 if isinstance(error, ArgumentError) else 1)
            raise

    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text(config_dir(), config_name, sys.argv[1:]))
        return
    logging.setLogRecordFactory(PrintableRecord)
    # Hydra would print its own report and exit; it raises only when asked to.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    main = hydra.main(config_path=str(config_dir()), config_name=config_name, version_base="1.3")
    try:
        main(reported)()
    except KeyboardInterrupt:  # outside the steps of training, which stop by themselves
        print("\ninterrupted: the same command continues", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        end_with_message(error, config_name)


def _told(error: Exception) -> str | None:
    """What to say of a mistake or a full disk, without a traceback; None of anything else."""
    if isinstance(error, OSError) and error.errno in DISK:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; what was saved is whole, the same command goes on"
    return str(error) if isinstance(error, UserError) else None


def _check_overrides(overrides: Sequence[str]) -> None:
    given = dict(one.split("=", 1) for one in overrides if "=" in one)
    sizes = given.get("model.partition", "")
    if sizes.startswith("[") and "model.granularity" in given:
        raise ArgumentError(
            f"model.partition={sizes} takes the place of model.granularity: leave out "
            f"model.granularity={given['model.granularity']}"
        )


def end_with_message(error: Exception, config_name: str) -> NoReturn:
    """Say what is wrong with the command line and exit with 2; an error of ours is raised again."""
    if not isinstance(error, (HydraException, OmegaConfBaseException)) and _is_ours(error):
        raise error
    said = explain(error, config_name)
    if isinstance(error, TypeError):  # Hydra's own, of a choice that is no name
        said = f"{_odd_choice()}: {said}"
    say(f"error: {said}", to_stderr=True)
    sys.exit(2)


def _is_ours(error: Exception) -> bool:
    """Whether code of ours ran when it was raised, not Hydra's alone: of an odd command line Hydra
    raises anything."""
    here, own = str(Path(__file__).parents[1]), (run_command.__name__, compose.__name__, "main")
    frames = traceback.extract_tb(error.__traceback__)
    files = [frame.filename for frame in frames if frame.name not in own]
    return any(file.startswith(here) or "hydra_plugins/vae_" in file for file in files)


def own_packages(sources: Iterable[Any]) -> list[str]:
    """Packages that the caller's own search path and --config-dir name, which are trusted.

    Args:
        sources: Hydra's `runtime.config_sources`.
    """
    found = []
    for source in sources:
        if source.provider in ("hydra", "main", "schema"):
            continue
        if source.schema == "pkg":
            found.append(source.path.split(".")[0])
            continue
        for file in Path(source.path).rglob("*.yaml"):
            targets = re.findall(r"^\s*_target_:\s*([^\W\d]\w*)\.", file.read_text(), re.MULTILINE)
            found += [package for package in targets if package not in NOT_ONES_OWN]
    return list(dict.fromkeys(found))


def explain(error: Exception, config_name: str) -> str:
    """One message for a config that does not compose, with what was probably meant."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return _no_option(group, name, error.options)
    cause = error.__cause__
    key = str(getattr(cause, "full_key", None) or getattr(cause, "key", None) or "")
    first_line = str(error).splitlines()[0]
    if first_line.startswith("Ambiguous value for argument"):
        override = first_line.partition("'")[2].rstrip("'")
        name = override.partition("=")[0]
        return f"{override}: several values are a sweep, train -m; a list is {name}=[…]"
    if first_line.startswith("Config group override must be"):
        return f"{_odd_choice()}: {first_line.removeprefix('Config group override ')}"
    if first_line.startswith("Could not append"):
        return f"{first_line.rstrip('.')}: leave out the +"
    if isinstance(error, ConfigCompositionException) and key:
        asked = first_line.partition("'")[2].partition("'")[0] or key
        return f"{first_line.rstrip('.')}: {_no_key(key, asked, _default_config(config_name))}"
    return first_line if cause is None else f"{first_line} {str(cause).splitlines()[0]}"


def _odd_choice() -> str:
    """The argument that chooses an option of a group by what is neither a name nor names."""
    given = [argument for argument in sys.argv[1:] if "=" in argument and argument[0] != "-"]
    for argument, override in zip(
        given, OverridesParser.create().parse_overrides(given), strict=True
    ):
        is_group = (config_dir() / override.key_or_group).is_dir()
        value = override.value()
        names = value if isinstance(value, list) else [value]
        if is_group and not all(isinstance(name, str) for name in names):
            return argument
    return "an option of a group"


def _no_option(group: str, name: str, options: Sequence[str] | None) -> str:
    """What to say of an option that a group does not have."""
    extra = EXTRAS.get(name) if group == "hydra/launcher" else None
    if extra is not None:
        return f"{group} needs the extra {extra!r}: pip install 'vae-granularity[{extra}]'"
    if options is None:  # of a list of options Hydra does not tell
        folders = [config_dir(), *map(Path, _config_dirs())]
        options = sorted(file.stem for at in folders for file in (at / group).glob("*.yaml"))
    shown = [option for option in options if not option.startswith("_")]
    meant = _did_you_mean(name, shown)
    return f"{group} has no option {name!r}{meant}; there are {', '.join(shown)}"


def _config_dirs() -> Iterator[str]:
    """The values of --config-dir on the command line."""
    for flag, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        name, _, value = flag.partition("=")
        if name in ("--config-dir", "-cd"):
            yield value or following


def _no_key(key: str, asked: str, cfg: DictConfig) -> str:
    """What to say of a key that the config does not have: one beside it, or how to add it.

    Args:
        key: as far as the first part that does not exist of the one that was `asked` for.
    """
    known = [name for name in _keys(cfg) if not name.rpartition(".")[2].startswith("_")]
    parent, _, leaf = key.rpartition(".")
    while parent and parent not in known:
        parent, _, leaf = parent.rpartition(".")
    beside = [name for name in known if parent and name.rpartition(".")[0] == parent]
    if parent and not beside and OmegaConf.is_dict(OmegaConf.select(cfg, parent)):
        return f"{parent} is empty; add to it with +{asked}=VALUE"
    message = f"no such key {key!r}"
    meant = _did_you_mean(key, known)
    near = difflib.get_close_matches(leaf, [name.rpartition(".")[2] for name in beside], n=1)
    if near:
        return f"{message}, did you mean {f'{parent}.{near[0]}'!r}?"
    if beside and key not in RENAMED:
        return f"{message}; {parent} has {', '.join(n.rpartition('.')[2] for n in beside)}"
    return message + meant


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
    """What can be known without torch: ranges of the seed, the number of steps and the partition,
    the login that the logger needs, the folder of run directories, which is made.

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
    integer("seed", cfg.seed, 0, 2**32 - 1)
    steps = cfg.trainer.max_steps
    if isinstance(steps, float) and steps.is_integer():  # 1e5
        cfg.trainer.max_steps = steps = int(steps)
    integer("trainer.max_steps", steps, 1)
    model: Any = OmegaConf.to_container(cfg.model, resolve=True)
    grouping_of(model).at(0)
    resolved_mode(cfg.logger.get("mode", "offline"))
    writable_folder("paths.output_dir", cfg.paths.output_dir)
