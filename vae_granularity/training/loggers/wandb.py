"""W&B: one W&B run for one run directory, online when logged in, else offline."""

import netrc
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from lightning.pytorch.loggers import Logger

from vae_granularity.errors import choice
from vae_granularity.runs.identity import RunInfo
from vae_granularity.runs.protocol import PROTOCOL_VERSION, VERSION
from vae_granularity.training.loggers.csv import csv_loggers


def wandb_loggers(
    info: RunInfo,
    project: str = "vae-granularity",
    entity: str | None = None,
    group: str | None = None,
    mode: str = "auto",
) -> list[Logger]:
    """metrics.csv and a W&B run whose id is the run's: a continued run continues its W&B run.

    Args:
        info: the run.
        project, entity: as W&B names them.
        group: runs that belong together; by default the name of the folder of run directories.
        mode: `auto` is online when logged in, else offline with one line that says how to sync.

    Raises:
        ArgumentError: an unknown mode.
    """
    mode = choice("logger.mode", mode, ("auto", "online", "offline"))
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    if mode == "auto":
        mode = os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
    how: Any = mode  # one of W&B's own words
    _wait_for_a_free_folder(info)
    run = wandb.init(
        project=project,
        entity=entity,
        group=group or info.output_dir.resolve().name,
        name=info.name,
        id=info.id,
        resume="allow",
        dir=info.directory,
        mode=how,
        tags=list(info.tags),
        config=info.config | {VERSION: PROTOCOL_VERSION},
        # A population has several open at once.
        settings=wandb.Settings(console="off", silent=True, reinit="create_new"),
    )
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step")
    return [*csv_loggers(info), WandbLogger(experiment=run)]


def _wait_for_a_free_folder(info: RunInfo) -> None:
    # W&B names it by the second: a run continued within a second would overwrite its own records.
    while list((info.directory / "wandb").glob(f"*run-{time.strftime('%Y%m%d_%H%M%S')}-{info.id}")):
        time.sleep(0.1)


def sync_hint(directory: Path) -> str | None:
    """The line that says how to upload a run directory's offline W&B runs; None without any."""
    found = " ".join(map(str, sorted((directory / "wandb").glob("offline-run-*"))))
    return f"W&B is offline (not logged in); upload with: wandb sync {found}" if found else None


def logged_in() -> bool:
    """Whether W&B finds credentials without asking: a variable, or .netrc's entry of its host."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
