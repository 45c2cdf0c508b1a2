"""The scores of a run as tables of text: what is printed, drawn and written into studies."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vae_granularity.errors import TOO_LITTLE

COLUMNS = ("score", "dimensions", "groups", "null ± s.d.", "lift", "harmonic mean")
FACTOR_SCORES = ("complexity", "factor_dimensions", "separating_granularity")
SUFFIXES = ("_null_group", "_null_sd_group", "_lift_group", "_group")
MISSING = "–"
BOUNDS = (
    "_lower",
    "_upper",
)  # end the names of what bounds a score or term, in whose cell they stand
DEPENDENT = "_correlated"  # ends the names of what is measured where factors depend on each other

# What the end of a run shows first: name, what it is called, whether more or less of it is better.
HEADLINE = (
    ("val/elbo", "ELBO, nats", "higher"),
    ("val/reconstruction", "reconstruction, nats", "higher"),
    ("val/kl", "KL, nats", ""),
    ("gap", "gap, best to next unit", "higher"),
    ("gap_harmonic", "gap and purity", "higher"),
    ("mig", "MIG", "higher"),
    ("infom", "InfoM (modularity)", "higher"),
    ("infoc", "InfoC (compactness)", "higher"),
    ("infoe", "InfoE (explicitness)", "higher"),
    ("modularity_knn", "modularity, k-NN", "higher"),
    ("irs", "IRS", "higher"),
    ("gaussian_tc", "Gaussian TC, nats", "lower"),
    ("active_kl", "active units", ""),
)

Scores = Mapping[str, float | None]


class Table(NamedTuple):
    """A heading, column names, and rows of text as long as these."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(scores: Scores, protocol: Mapping[str, Any]) -> list[Table]:
    """By dimension and group, under common partitions, by factor, not applicable; no empty ones."""
    missing = tuple(protocol.get("not_applicable", {}).items())
    plain = {name: value for name, value in scores.items() if not name.endswith(DEPENDENT)}
    found = [score_table(plain), partition_table(plain), factor_table(plain)]
    dependent = {name.removesuffix(DEPENDENT): scores[name] for name in scores if name not in plain}
    for table in (score_table(dependent), partition_table(dependent), factor_table(dependent)):
        found.append(table._replace(title=f"{table.title}, where factors depend as in training"))
    found.append(Table("not applicable", ("metric", "reason"), missing))
    return [table for table in found if table.rows]


def headline(terms: Scores, scores: Scores) -> Table:
    """The numbers to look at first, by dimension and by group, with the direction that is good.

    >>> headline({"val/elbo": -9.0}, {"mig": 0.25}).rows
    (('ELBO, nats', '-9.0', '', 'higher'), ('MIG', '0.250', '', 'higher'))
    """
    rows = []
    for name, title, better in HEADLINE:
        digits = 1 if name in terms else 3
        whole = _cell({**terms, **scores}, name, digits)
        group = _cell(scores, f"{name}_group", digits)
        rows += [(title, whole, group, better)] if whole or group else []
    return Table("result", ("", "dimensions", "groups", "better"), tuple(rows))


def holder_table(shares: np.ndarray, factors: Sequence[str], units: Sequence[str]) -> Table:
    """Return a row a factor: the unit that holds most of it, its share, the next best and its.

    Args:
        shares: (U, F) of the factors' entropy.
        factors: names (F,).
        units: names (U,) of groups or dimensions.

    >>> holder_table(np.array([[0.9, 0.1], [0.2, 0.0]]), ["hue", "size"], ["z0-z1", "z2-z3"]).rows
    (('hue', 'z0-z1', '0.90', 'z2-z3', '0.20'), ('size', 'z0-z1', '0.10', 'z2-z3', '0.00'))
    """
    rows = []
    for f, factor in enumerate(factors):
        cells = [factor]
        for unit in np.argsort(-shares[:, f], kind="stable")[:2]:
            cells += [units[unit], f"{shares[unit, f]:.2f}"]
        rows.append((*cells, *[""] * (5 - len(cells))))
    columns = ("factor", "held in", "share", "next", "share")
    return Table("where each factor is held (shares of its entropy)", columns, tuple(rows))


def score_table(scores: Scores) -> Table:
    """Return one row a score: by dimension with its bounds, by group, null, lift, harmonic mean
    with its partner.

    >>> score_table({"sap": 0.25, "sap_group": None}).rows
    (('sap', '0.250', '–', '', '', ''),)
    """
    ends = re.compile(f"({'|'.join(SUFFIXES)})$")
    stems = dict.fromkeys(ends.sub("", name) for name in scores if "/" not in name)
    rows = []
    for stem in stems:
        if stem.endswith(BOUNDS) and stem.rsplit("_", 1)[0] in stems:
            continue  # it stands in the cell of what it bounds
        own = stem.removesuffix("_harmonic")
        if own != stem and own in stems and f"{stem}_lift_group" not in scores:
            continue  # it stands in the row of that score
        null, spread = scores.get(f"{stem}_null_group"), scores.get(f"{stem}_null_sd_group")
        both = null is not None and spread is not None
        cells = [_bounded_cell(scores, stem), _cell(scores, f"{stem}_group")]
        cells.append(f"{null:.3f} ± {spread:.3f}" if both else "")
        cells += [_cell(scores, f"{stem}{end}_group") for end in ("_lift", "_harmonic")]
        rows.append((stem, *cells))
    return Table("scores", COLUMNS, tuple(rows))


def partition_table(scores: Scores) -> Table:
    """One row a group score, one column a common partition."""
    prefixed = [name.split("/", 1) for name in scores if "/" in name and name.endswith("_group")]
    partitions = tuple(dict.fromkeys(partition for partition, _ in prefixed))
    rows = []
    for name in dict.fromkeys(name for _, name in prefixed):
        cells = [_cell(scores, f"{partition}/{name}") for partition in partitions]
        rows.append((name.removesuffix("_group"), *cells))
    return Table("group scores under common partitions", ("score", *partitions), tuple(rows))


def factor_table(scores: Scores) -> Table:
    """One row a factor: complexity, latents it needs, granularity at which it separates."""
    pairs = [name.split("/", 1) for name in scores if "/" in name]
    kinds = [kind for kind in FACTOR_SCORES if kind in {first for first, _ in pairs}]
    rows = []
    for factor in dict.fromkeys(factor for kind, factor in pairs if kind in kinds):
        rows.append((factor, *(_cell(scores, f"{kind}/{factor}") for kind in kinds)))
    return Table("factors", ("factor", *kinds), tuple(rows))


def term_lines(terms: Scores, protocol: Mapping[str, Any]) -> list[str]:
    """One line a data part with the terms in nats, and one for each that its mixture bounds."""
    lines = []
    for part, end in (("val/", ""), ("val/", DEPENDENT), ("test/", "")):
        named = [name for name in terms if name.startswith(part)]
        named = [name for name in named if name.endswith(DEPENDENT) == bool(end)]
        values = {name.removeprefix(part).removesuffix(end): terms[name] for name in named}
        finite = {k: v for k, v in values.items() if v is not None and "/" not in k}
        shown = []
        for name, value in finite.items():
            lower, upper = (finite.get(f"{name}{side}") for side in BOUNDS)
            if lower is not None and upper is not None:
                shown.append(f"{name} {value:.2f} [{lower:.2f}, {upper:.2f}]")
            elif not name.endswith(BOUNDS):
                shown.append(f"{name} {value:.2f}")
        where = part[:-1] + (", factors dependent as in training" if end else "")
        lines += [f"{where}: {'  '.join(shown)}  (nats)"] if shown else []
    return lines + saturation_notes(protocol) + dependence_notes(protocol)


def dependence_notes(protocol: Mapping[str, Any]) -> list[str]:
    """A sentence that says which factors depend on each other in training, and how much."""
    told = protocol.get("dependence", {}).get("mutual_information", {})
    shown = ", ".join(f"{' and '.join(pair.split(','))} {nats:.3f}" for pair, nats in told.items())
    return [f"mutual information of factors in training: {shown} nats"] if shown else []


def saturation_notes(protocol: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each exact term that its mixture has too few components for: within
    5 % of the most that they can show, or with bounds far apart.
    """
    terms_protocol = protocol.get("terms", {})
    notes = []
    for name, mark in terms_protocol.get("saturation", {}).items():
        reasons = []
        if mark.get("saturated"):
            count, bound = terms_protocol["exact_components"], mark["bound"]
            reasons.append(f"is saturated: {count} components show at most {bound:.2f}")
        # Bounds of a single group stand in the protocol alone.
        if mark.get("wide") and "/" not in name.removeprefix("val/"):
            error = "too low" if "mutual_information" in name else "too high"
            bounds = f"{mark['lower']:.2f} to {mark['upper']:.2f}"
            reasons.append(f"lies anywhere in {bounds}: few components make it {error}")
        if reasons:
            notes.append(f"{name} {mark['value']:.2f} {'; it '.join(reasons)}")
    return notes


def score_notes(scores: Scores, protocol: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each metric whose score its bounds leave open, whose bins outliers have
    emptied, or that could not give a score, by what its protocol says of it.

    >>> scores = {"infom": 0.5, "infom_group": None}
    >>> missing = {"missing": "groups need 20 rows for each value of a factor"}
    >>> score_notes(scores, {"metrics": {"infomec": {"scores": [*scores], "found": missing}}})
    ['infom_group is missing: groups need 20 rows for each value of a factor']
    """
    notes = []
    for entry in protocol.get("metrics", {}).values():
        names = [name for name in entry.get("scores", ()) if "/" not in name]
        reasons = entry.get("found", {})
        for name in names:
            lower, upper = (scores.get(f"{name}{side}") for side in BOUNDS)
            if "wide" in reasons and lower is not None and upper is not None:
                bounds = f"{lower:.2f} to {upper:.2f}"
                notes.append(
                    f"{name} {scores[name]:.2f} lies anywhere in {bounds}: {reasons['wide']}"
                )
        if crowded := reasons.get("latents_nearly_in_one_bin"):
            latents = ", ".join(f"z{d}" for d in crowded)
            notes.append(
                f"{names[0]} sees little of {latents}: outliers leave all but a few rows in one bin"
            )
        absent = [name for name in names if name in scores and scores[name] is None]
        absent = [name for name in absent if not name.endswith(SUFFIXES[:-1])]
        if "missing" in reasons and absent:
            verb = "is" if len(absent) == 1 else "are"
            notes.append(f"{', '.join(absent)} {verb} missing: {reasons['missing']}")
    for metric, reason in protocol.get("not_applicable", {}).items():
        if reason.startswith(TOO_LITTLE):
            notes.append(f"{metric} is missing: {reason}")
    return notes


def as_text(table: Table) -> str:
    """Columns aligned for a terminal.

    >>> print(as_text(Table("scores", ("score", "groups"), (("sap", "0.250"),))))
    scores:
    score  groups
    sap     0.250
    """
    cells = (table.columns, *table.rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def padded(row: Sequence[str]) -> Iterator[str]:
        yield row[0].ljust(widths[0])
        yield from (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))

    return "\n".join((f"{table.title}:", *("  ".join(padded(row)).rstrip() for row in cells)))


def as_markdown(table: Table) -> str:
    """A markdown table under its title."""
    rows = (table.columns, ["---"] * len(table.columns), *table.rows)
    return "\n".join((f"**{table.title}**", "", *(f"| {' | '.join(row)} |" for row in rows)))


def _bounded_cell(scores: Scores, name: str) -> str:
    """Return the number with its bounds in brackets, where it has any."""
    lower, upper = (scores.get(f"{name}{side}") for side in BOUNDS)
    bounds = "" if lower is None or upper is None else f" [{lower:.2f}, {upper:.2f}]"
    return f"{_cell(scores, name)}{bounds}"


def _cell(scores: Scores, name: str, digits: int = 3) -> str:
    """The number, a dash where it is undefined, nothing where there is no such score."""
    if name not in scores:
        return ""
    value = scores[name]
    return MISSING if value is None else f"{value:.{digits}f}"
