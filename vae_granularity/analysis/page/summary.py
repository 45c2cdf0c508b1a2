"""Print the results of an analysis: best points, verdicts, and runs that would settle them."""

from collections.abc import Iterator

from vae_granularity.analysis.labels import settings_label
from vae_granularity.analysis.next_runs.suggest import describe_suggestion
from vae_granularity.analysis.page.text import far_words
from vae_granularity.analysis.pipeline import Analysis
from vae_granularity.terminal import say

MAX_COMMANDS = 6  # printed for one verdict; all are on the page and in missing.json
MAX_BROKEN = 10


def print_summary(analysis: Analysis, seconds: float) -> None:
    """Print an analysis that took some seconds."""
    for line in _lines(analysis, seconds):
        say(line)


def _lines(analysis: Analysis, seconds: float) -> Iterator[str]:
    collected = analysis.collected
    yield (
        f"{len(collected.table)} runs ({collected.reused} known from the last pass), "
        f"{len(collected.broken)} broken, {seconds:.1f} s"
    )
    for best in analysis.best_points:
        values = settings_label(best.values) or "one point"
        yield f"best on {best.dataset}: {values}: {best.sentence}. {best.remarks}".rstrip()
    if analysis.far.any():
        yield f"note: {far_words(analysis)}"
    for result in analysis.slices:
        held = f" [{result.slice.title}]" if result.slice.title else ""
        for verdict in result.verdicts:
            yield f"{verdict.title}{held}: {verdict.sentence}"
    for suggestion in analysis.suggestions:
        held = f" [{suggestion.held}]" if suggestion.held else ""
        yield f"missing for the {suggestion.reading}{held}: {describe_suggestion(suggestion)}"
        yield from (f"  {line}" for line in suggestion.commands[:MAX_COMMANDS])
    for file, reason in list(collected.broken.items())[:MAX_BROKEN]:
        yield f"broken: {file}: {reason}"
    yield from analysis.findings.failures
