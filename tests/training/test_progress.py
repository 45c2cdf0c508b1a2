"""What is logged while a progress bar stands on a terminal goes above it, not onto its line."""

import io
import logging

from vae_granularity.training.callbacks import _redirected


def test_log_handlers_write_where_the_bar_does_and_come_back():
    before, after = (io.StringIO(), io.StringIO()), (io.StringIO(), io.StringIO())
    handler, other = logging.StreamHandler(before[0]), logging.StreamHandler(io.StringIO())
    root, log = logging.getLogger(), logging.getLogger("vae_granularity.a")
    root.addHandler(handler)
    root.addHandler(other)
    try:
        moved = list(_redirected(before, after))
        assert moved == [(handler, before[0])]
        log.warning("collapsing")
        assert (before[0].getvalue(), after[0].getvalue()) == ("", "collapsing\n")
        assert other.stream.getvalue() == "collapsing\n"
    finally:
        root.removeHandler(handler)
        root.removeHandler(other)
