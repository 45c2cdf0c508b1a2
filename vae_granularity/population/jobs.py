"""Hand a pack of compatible runs to another process: written by the launcher, trained by a job."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import DataError
from vae_granularity.files import digest, write_text

FOLDER = ".packs"


def write_pack(folder: Path, configs: Sequence[DictConfig], how: str, together: int) -> Path:
    """Write the pack below `folder` and return its file.

    Args:
        how: auto | alone | eager | compiled.
        together: members that are computed together, at most.
    """
    plain = [OmegaConf.to_container(cfg, resolve=True) for cfg in configs]
    text = json.dumps({"how": how, "together": together, "configs": plain})
    # A whole hash: nobody who can write to the folder finds another pack of the same name.
    path = folder / FOLDER / f"{digest(text)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return path.absolute()


def remove_packs(files: Sequence[str | Path]) -> None:
    """Remove the files of `write_pack`; those of other sweeps of the folder stay."""
    for file in map(Path, files):
        file.unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            file.parent.rmdir()


def train_pack(path: str | Path) -> list[Exception | None]:
    """Train the runs of a pack as one population; return what each raised, or None.

    Raises:
        DataError: the file is not what its name says it holds: someone else has written it.
        SystemExit: the process was asked to end; all runs have been saved.
    """
    from vae_granularity.population import training
    from vae_granularity.population.plan import ALONE, AUTO, choose_plan, trains_on_gpu
    from vae_granularity.runs.build import build

    text = Path(path).read_text(encoding="utf-8")
    if digest(text) != Path(path).stem:
        raise DataError(f"{path} was changed after it was written: none of its runs is trained")
    pack = json.loads(text)
    configs: list[Any] = [OmegaConf.create(config) for config in pack["configs"]]
    how = pack["how"]
    together = pack["together"]
    if how == AUTO:
        model, _ = build(configs[0])
        plan = choose_plan(
            model,
            len(configs),
            configs[0].trainer.max_steps,
            max_together=together,
            max_processes=1,
            on_gpu=trains_on_gpu(configs[0]),
        )
        print(f"plan: {plan}", flush=True)
        how = plan.how
        together = plan.together
    if how == ALONE:
        return [training.train_alone(config) for config in configs]
    return training.train_population(configs, how, together)


def train_one(config: DictConfig) -> Any:
    """Train a single run: compiled where `compile=auto` and it pays, else by Lightning's loop.

    Prints which of the two was chosen and why.

    Raises:
        UserError: as `training.run.train`.
    """
    from vae_granularity.population import training
    from vae_granularity.population.packing import reason_to_train_alone
    from vae_granularity.population.plan import COMPILED, reason_to_train_uncompiled
    from vae_granularity.training.job import prepare
    from vae_granularity.training.run import train_job

    job = prepare(config)
    compile_ = config.callbacks.get("compile")
    if compile_ is None or compile_.mode != "auto":
        return train_job(job)
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    reason = reason_to_train_uncompiled(config, job.model)
    reason = reason or reason_to_train_alone(resolved, job.model)
    if reason is not None:
        print(f"compile=auto: not compiling ({reason})", flush=True)
        return train_job(job)
    print("compile=auto: compiling (a small network and enough steps to pay for it)", flush=True)
    (error,) = training.train_jobs([job], COMPILED)
    if error is not None:
        raise error
    return None
