"""The scores of a run as tables of text: what is printed, drawn and written into studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

COLUMNS = (
    "score",
    "dimensions",
    "± s.e.",
    "groups",
    "± s.e.",
    "null ± s.d.",
    "lift",
    "harmonic mean",
)
FACTOR_SCORES = ("complexity", "factor_dimensions", "separating_granularity")
SUFFIXES = ("_null_group", "_null_sd_group", "_lift_group", "_group")
MISSING = "–"

Scores = Mapping[str, float | None]


class Table(NamedTuple):
    """A heading, column names, and rows of text as long as these."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(scores: Scores, protocol: Mapping[str, Any]) -> list[Table]:
    """Scores by dimension and by group, under common partitions, by factor, and what is not
    applicable; without empty tables.
    """
    found = [
        score_table(scores),
        partition_table(scores),
        factor_table(scores),
        not_applicable(protocol),
    ]
    return [table for table in found if table.rows]


def score_table(scores: Scores) -> Table:
    """One row a score: by dimension and by group, with error, null, lift and the harmonic mean of a
    completeness and its partner.
    """
    stems = dict.fromkeys(_stem(name) for name in scores if "/" not in name)
    headlines = [
        stem for stem in stems if stem.endswith("_harmonic") and f"{stem}_lift_group" not in scores
    ]
    plain = [
        stem
        for stem in stems
        if stem not in headlines or stem.removesuffix("_harmonic") not in stems
    ]
    rows = []
    for stem in plain:
        null, spread = scores.get(f"{stem}_null_group"), scores.get(f"{stem}_null_sd_group")
        rows.append(
            (
                stem,
                _cell(scores, stem),
                _cell(scores, f"se/{stem}"),
                _cell(scores, f"{stem}_group"),
                _cell(scores, f"se/{stem}_group"),
                f"{null:.3f} ± {spread:.3f}" if null is not None and spread is not None else "",
                _cell(scores, f"{stem}_lift_group"),
                _cell(scores, f"{stem}_harmonic_group"),
            )
        )
    return Table("scores", COLUMNS, tuple(rows))


def partition_table(scores: Scores) -> Table:
    """One row a group score, one column a common partition."""
    prefixed = [
        name.split("/", 1)
        for name in scores
        if name.endswith("_group") and "/" in name and not name.startswith("se/")
    ]
    partitions, names = dict.fromkeys(p for p, _ in prefixed), dict.fromkeys(s for _, s in prefixed)
    rows = tuple(
        (
            name.removesuffix("_group"),
            *(_cell(scores, f"{partition}/{name}") for partition in partitions),
        )
        for name in names
    )
    return Table("group scores under common partitions", ("score", *partitions), rows)


def factor_table(scores: Scores) -> Table:
    """One row a factor: complexity of the data, latents it needs, granularity at which it
    separates.
    """
    present = [
        kind for kind in FACTOR_SCORES if any(name.startswith(f"{kind}/") for name in scores)
    ]
    factors = dict.fromkeys(
        name.split("/", 1)[1] for name in scores if name.split("/", 1)[0] in present
    )
    rows = tuple(
        (factor, *(_cell(scores, f"{kind}/{factor}") for kind in present)) for factor in factors
    )
    return Table("factors", ("factor", *present), rows)


def not_applicable(protocol: Mapping[str, Any]) -> Table:
    """What could not be computed, and why."""
    return Table(
        "not applicable", ("metric", "reason"), tuple(protocol.get("not_applicable", {}).items())
    )


def term_lines(terms: Scores, protocol: Mapping[str, Any]) -> list[str]:
    """One line a data part with the terms in nats, and one for each exact term that its mixture
    bounds.
    """
    lines = []
    for part in ("val", "test"):
        values = {
            name.removeprefix(f"{part}/"): value
            for name, value in terms.items()
            if name.startswith(f"{part}/")
        }
        shown = "  ".join(
            f"{name} {value:.2f}"
            for name, value in values.items()
            if value is not None and "/" not in name
        )
        lines += [f"{part}: {shown}  (nats)"] if shown else []
    return lines + saturation_notes(protocol)


def saturation_notes(protocol: Mapping[str, Any]) -> list[str]:
    """A sentence for each exact term within 5 % of the most that its number of mixture components
    can show.
    """
    how = protocol.get("terms", {})
    return [
        f"{name} {found['value']:.2f} is saturated: {how['exact_components']} components show at most {found['bound']:.2f}"
        for name, found in how.get("saturation", {}).items()
        if found["saturated"]
    ]


def as_text(table: Table) -> str:
    """Columns aligned for a terminal."""
    cells = (table.columns, *table.rows)
    widths = [max(len(row[c]) for row in cells) for c in range(len(table.columns))]
    lines = [
        "  ".join(
            (_pad(cell, width, c)) for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join((f"{table.title}:", *lines))


def as_markdown(table: Table) -> str:
    """A markdown table under its title."""
    lines = [
        _line(table.columns),
        _line(["---"] * len(table.columns)),
        *(_line(row) for row in table.rows),
    ]
    return "\n".join((f"**{table.title}**", "", *lines))


def _stem(name: str) -> str:
    suffix = next((end for end in SUFFIXES if name.endswith(end)), "")
    return name.removesuffix(suffix)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _pad(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _cell(scores: Scores, name: str) -> str:
    """The number, a dash where it is undefined, nothing where there is no such score."""
    if name not in scores:
        return ""
    value = scores[name]
    return MISSING if value is None else f"{value:.3f}"
