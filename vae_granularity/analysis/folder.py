"""Prepare the folder of an analysis: checked before anything is read, locked while written."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import Timeout

from vae_granularity.analysis.runs import check_places
from vae_granularity.analysis.settings import Settings
from vae_granularity.data.files.locks import locked
from vae_granularity.errors import writable_folder
from vae_granularity.runs.status import LOCK
from vae_granularity.runs.trust import check_links
from vae_granularity.terminal import say


@contextmanager
def results_folder(settings: Settings) -> Iterator[Path]:
    """Yield the folder of the results, locked; wait for another analysis that writes there.

    Raises:
        ArgumentError: a place of the settings holds no run directory, or the folder cannot be
            written.
    """
    check_places(settings.runs)
    if settings.out is None:
        check_links(settings.folder, settings.runs[0])  # before anything is written there
    folder = writable_folder("out", settings.folder)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, timeout=0))
        except Timeout:
            say(f"waiting for another analysis that writes into {folder}")
            stack.enter_context(locked(folder / LOCK))
        yield folder
