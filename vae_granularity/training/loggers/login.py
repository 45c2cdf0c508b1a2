"""Whether W&B is logged in, without asking and without loading it."""

import netrc
import os
from pathlib import Path
from urllib.parse import urlparse

from vae_granularity.errors import ArgumentError, choice


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


def resolved_mode(mode: str) -> str:
    """What logger.mode comes to: `auto` is as WANDB_MODE says, else online where logged in.

    Raises:
        ArgumentError: an unknown mode, or online without a login.
    """
    if choice("logger.mode", mode, ("auto", "online", "offline")) == "auto":
        mode = os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
    if mode == "online" and not logged_in():
        needed = "a W&B login (`wandb login`, or WANDB_API_KEY)"
        raise ArgumentError(f"logger.mode must be auto or offline without {needed}, got 'online'")
    return mode
