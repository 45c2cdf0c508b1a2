"""Write the words of the page: title, facts, notes, provenance, protocols."""

import orjson
import pandas as pd

from vae_granularity.analysis.comparable import dataset_names
from vae_granularity.analysis.labels import name_of, seeds_label, settings_label, with_unit
from vae_granularity.analysis.pipeline import Analysis
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.verdict import EDGE, MAX_CHANCE, MIN_SUPPORT, NOT_ENOUGH, Verdict

METHOD = (
    "Each surface is the mean over seeds. The trajectory is the place of the optimum on the grid; "
    "rows whose differences seeds alone may have made (permutation test, "
    f"{MAX_CHANCE:.0%}) have none. A straight line, a monotone curve and a V are fitted to the "
    "others in grid steps, the simplest that fits wins (BIC), unless more than half of the optima "
    f"are on the edge. Either is said only if it also holds in {MIN_SUPPORT:.0%} of the bootstrap "
    "resamplings of the seeds, those that no shape describes well counting less, and if the path "
    "is better than the same path two or more places away (t test over seeds, all rows together). "
    "Seeds are resampled as a whole: what a seed does in every row alike has one weight, the rest "
    "one weight in each row. Rows in which a neighbour of the optimum has too few seeds are left "
    "out."
)
FEATURES = (
    "Models of every γ are seen under the same partitions of their latents. A factor is separated "
    "where its best unit holds a tenth of its entropy or more, twice what the second holds, and no "
    "other factor. Complexity: participation ratio of the images along the factor's orbit (1 is a "
    "straight line). The claim: the γ at which a factor separates grows with its complexity; "
    "the factors are the sample, so they are permuted, and γ is averaged over seeds."
)
MAX_VALUES = 4  # of a column that are listed
MAX_PROTOCOLS = 4


def page_title(settings: Settings) -> str:
    """Return the title of the page: number, folders, chosen values.

    >>> page_title(Settings.from_config({"runs": "sweeps/a", "where": {"model": {"beta": 4}}}))
    'held-out ELBO (nats) of the runs in a with β = 4'
    """
    folders = ", ".join(folder.name or str(folder) for folder in settings.runs)
    chosen = f" with {settings_label(settings.where)}" if settings.where else ""
    return f"{with_unit(settings.value)} of the runs in {folders}{chosen}"


def data_source(table: pd.DataFrame) -> str:
    """Return where the images come from, said with every figure: `data: blocks (synthetic)`."""
    pairs = pd.DataFrame({"name": dataset_names(table), "source": table["data.source"]})
    distinct = pairs.drop_duplicates().itertuples(index=False)
    return "data: " + ", ".join(f"{name} ({source})" for name, source in distinct)


def page_facts(analysis: Analysis) -> list[str]:
    """Return the facts below the title."""
    table = analysis.table
    minutes = table["run.seconds"].sum() / 60
    spent = f"{minutes:.0f} minutes" if minutes < 600 else f"{minutes / 60:.0f} hours"
    return [
        data_source(table),
        f"{len(table)} runs",
        f"{len(analysis.points)} points" if analysis.parameters else "one point",
        seeds_label(int(table["seed"].nunique())),
        f"{spent} of training",
        "models: " + ", ".join(sorted(table["run.model"].unique())),
    ]


def page_notes(analysis: Analysis) -> list[str]:
    """Return notes on mixed runs, parameters that move together, and what is left out."""
    collected = analysis.collected
    versions = sorted(collected.table["version"].dropna().unique())
    notes = [*analysis.mixed, *analysis.findings.failures]
    notes += [
        f"{name_of(name)} changes together with {', '.join(map(name_of, others))} here: "
        "what is seen over the one may come from the other"
        for name, others in analysis.parameters.items()
        if others
    ]
    if analysis.far.any():
        notes.append(far_words(analysis))
    if collected.broken:
        notes.append(
            f"{len(collected.broken)} results could not be read; "
            "they are listed at the end of the page"
        )
    if collected.unfinished:
        notes.append(f"{len(collected.unfinished)} runs are not finished and are left out")
    if len(versions) > 1:
        notes.append(
            f"the runs were made by {len(versions)} versions of vae-granularity "
            f"({', '.join(versions)}); what changed is in CHANGELOG.md"
        )
    return notes


def far_words(analysis: Analysis) -> str:
    """Return a note on the runs that lie far from the other seeds of their point."""
    names = analysis.table.loc[analysis.far, "run.name"].astype(str).tolist()
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"{len(names)} of {len(analysis.table)} runs lie far from the other seeds of their point "
        f"in {name_of(analysis.settings.value)} ({listed}): where some seeds fail, 95 % intervals "
        "of means hold far less often (in 27 to 65 % of the cases where one seed in ten falls by "
        "20 nats); look at the single runs"
    )


def provenance(analysis: Analysis) -> list[tuple[str, str]]:
    """Return name and content of each line about where the numbers come from."""
    table = analysis.table
    settings = analysis.settings
    collected = analysis.collected

    def distinct(column: str) -> str:
        values = table[column].dropna().unique() if column in table else []
        more = f" and {len(values) - MAX_VALUES} more" if len(values) > MAX_VALUES else ""
        return ", ".join(map(str, values[:MAX_VALUES])) + more

    steps = ", ".join(f"{steps:g}" for steps in sorted(table["run.steps"].dropna().unique()))
    counts = (
        f"{len(collected.table)} read, {len(collected.broken)} broken, "
        f"{len(collected.unfinished)} unfinished, {len(table)} chosen"
    )
    resamplings = (
        f"{settings.num_bootstrap}, seed {settings.seed}; "
        f"a point counts from {settings.min_seeds} seeds on"
    )
    return [
        ("data", data_source(table).removeprefix("data: ")),
        ("likelihood", distinct("likelihood")),
        ("split", distinct("split")),
        ("steps", steps),
        ("version", distinct("version")),
        ("device", distinct("run.device")),
        ("runs", counts),
        ("resamplings", resamplings),
        ("folder", ", ".join(map(str, settings.runs))),
    ]


def protocols(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return heading and JSON of each protocol, the most frequent first."""
    counts = table["protocol"].value_counts()
    frequent = counts[counts > 0].head(MAX_PROTOCOLS)
    sections = []
    for text, count in frequent.items():
        protocol = orjson.dumps(orjson.loads(str(text)), option=orjson.OPT_INDENT_2).decode()
        sections.append((f"protocol of {count} runs", protocol))
    return sections


def verdict_rows(analysis: Analysis) -> list[dict[str, str]]:
    """Return the rows of the table of verdicts."""
    rows = []
    for result in analysis.slices:
        for verdict in result.verdicts:
            row = {"trajectory": verdict.title, "held": result.slice.title}
            rows.append(row | _split_sentence(verdict.verdict))
    return rows


def _split_sentence(verdict: Verdict) -> dict[str, str]:
    """Return the shape, set in bold, the rest of the sentence, and a class for its colour."""
    starts = (f"{NOT_ENOUGH} to tell", f"the optimum sits on the {EDGE} of the grid", verdict.shape)
    start = next((start for start in starts if verdict.sentence.startswith(start)), "")
    colours = {EDGE: "edge", NOT_ENOUGH: "unsure"}
    return {
        "shape": start or verdict.shape,
        "rest": verdict.sentence[len(start) :] if start else f": {verdict.sentence}",
        "class": colours.get(verdict.shape, "v" if verdict.shape.endswith("V") else "shape"),
    }
