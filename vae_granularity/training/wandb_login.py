"""Check the W&B login and settings without importing wandb."""

import netrc
import os
import re
from urllib.parse import urlparse

from vae_granularity.errors import ArgumentError, choice


def logged_in() -> bool:
    """Return whether W&B finds credentials: an environment variable, or its host in .netrc."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    # Unlike Path.home(), it gives an answer where there is neither HOME nor an entry in passwd.
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def check_home() -> None:
    """Check that the user has a home folder, which W&B looks for its settings in.

    Raises:
        ArgumentError: HOME is not set, and the system does not know the user either.
    """
    if os.path.expanduser("~") == "~":
        raise ArgumentError(
            "logger=wandb needs a home folder, got none: HOME is not set and this user has no "
            "entry in passwd. Set HOME to a folder that can be written to, or choose logger=csv"
        )


def project_name(key: str, value: object) -> str:
    """Return the value if W&B takes it as the name of a project.

    >>> project_name("logger.project", "vae-granularity")
    'vae-granularity'

    Raises:
        ArgumentError: W&B does not.
    """
    if isinstance(value, str) and re.fullmatch(r"[^/\\#?%:]{1,128}", value):
        return value
    raise ArgumentError(
        f"{key} must be 1 to 128 letters without any of / \\ # ? % :, got {value!r}"
    )


def resolved_mode(mode: str) -> str:
    """Resolve logger.mode: `auto` follows WANDB_MODE, else is online if logged in.

    Raises:
        ArgumentError: an unknown mode, or online without a login.
    """
    if choice("logger.mode", mode, ("auto", "online", "offline")) == "auto":
        mode = os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
    if mode == "online" and not logged_in():
        raise ArgumentError(
            "logger.mode must be auto or offline without a W&B login (`wandb login`, or "
            "WANDB_API_KEY), got 'online'"
        )
    return mode
