"""The time that sums over samples and mixture components take, logged first, shown as a bar."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

SECONDS_PER_TERM = 19e-9  # one sample, one component, one dimension, on one thread
LONG = 5.0  # seconds from which a bar is worth showing

Progress = Callable[[int, int], None] | Literal[False] | None

_log = logging.getLogger(__name__)


@contextmanager
def progress_bar(
    name: str, pairs: int, dim: int, progress: Progress = None
) -> Iterator[Callable[[int, int], None] | None]:
    """Log the expected time if a second or more; give what to call with (done, in all), or None.

    Args:
        name: of the work.
        pairs: samples times components; dim: D.
        progress: a function of one's own; None shows a bar on a terminal where more than seconds
            are expected, False shows none.
    """
    seconds = SECONDS_PER_TERM * pairs * dim
    if seconds >= 1:
        about = "%s: %.3g sample-component pairs in %d dimensions, about %.0f s on one thread"
        _log.info(about, name, pairs, dim, seconds)
    if progress is not None or seconds < LONG or not sys.stderr.isatty():
        yield progress or None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True, force_jupyter=False), transient=True) as bar:
        task = bar.add_task(name)
        yield lambda done, total: bar.update(task, completed=done, total=total)
