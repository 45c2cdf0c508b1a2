"""What the page says of its runs in words: title, facts, notes, provenance, protocols."""

import orjson
import pandas as pd

from vae_granularity.analysis.comparable import dataset_names
from vae_granularity.analysis.page.labels import name_of, seeds_label, settings_label, with_unit
from vae_granularity.analysis.pipeline import Analysis
from vae_granularity.analysis.settings import Settings


def title(settings: Settings) -> str:
    """What the page is about: number, folder or project, chosen values.

    >>> title(Settings.from_config({"runs": "sweeps/a", "where": {"model": {"beta": 4}}}))
    'held-out ELBO (nats) of the runs in a with β = 4'
    """
    where = settings.wandb or ", ".join(folder.name or str(folder) for folder in settings.runs)
    chosen = f" with {settings_label(settings.where)}" if settings.where else ""
    return f"{with_unit(settings.value)} of the runs in {where}{chosen}"


def source(table: pd.DataFrame) -> str:
    """`data: blocks (synthetic)`: where the images come from, said with every figure."""
    pairs = pd.DataFrame({"name": dataset_names(table), "source": table["data.source"]})
    distinct = pairs.drop_duplicates().itertuples(index=False)
    return "data: " + ", ".join(f"{name} ({source})" for name, source in distinct)


def facts(analysis: Analysis) -> list[str]:
    """In short, below the title."""
    table = analysis.table
    minutes = table["run.seconds"].sum() / 60
    spent = f"{minutes:.0f} minutes" if minutes < 600 else f"{minutes / 60:.0f} hours"
    return [
        source(table),
        f"{len(table)} runs",
        f"{len(analysis.points)} points" if analysis.parameters else "one point",
        seeds_label(int(table["seed"].nunique())),
        f"{spent} of training",
        "models: " + ", ".join(sorted(table["run.model"].unique())),
    ]


def notes(analysis: Analysis) -> list[str]:
    """What a reader has to know: mixed runs, parameters that move together, what is left out."""
    collected = analysis.collected
    broken, unfinished = len(collected.broken), len(collected.unfinished)
    versions = sorted(collected.table["version"].dropna().unique())
    found = [*analysis.mixed, *analysis.findings.failures]
    found += [
        f"{name_of(name)} changes together with {', '.join(map(name_of, others))} here: "
        "what is seen over the one may come from the other"
        for name, others in analysis.parameters.items()
        if others
    ]
    if analysis.far.any():
        found.append(far_words(analysis))
    if broken:
        found.append(f"{broken} results could not be read; they are listed at the end of the page")
    if unfinished:
        found.append(f"{unfinished} runs are not finished and are left out")
    if len(versions) > 1:
        found.append(
            f"the runs were made by {len(versions)} versions of vae-granularity "
            f"({', '.join(versions)}); what changed is in CHANGELOG.md"
        )
    return found


def far_words(analysis: Analysis) -> str:
    """Return a note on the runs that lie far from the other seeds of their point."""
    names = analysis.table.loc[analysis.far, "run.name"].astype(str).tolist()
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"{len(names)} of {len(analysis.table)} runs lie far from the other seeds of their point "
        f"in {name_of(analysis.settings.value)} ({shown}): where some seeds fail, 95 % intervals "
        "of means hold far less often (in 27 to 65 % of the cases where one seed in ten falls by "
        "20 nats); look at the single runs"
    )


def provenance(analysis: Analysis) -> list[tuple[str, str]]:
    """Name and content of each line about where the numbers come from."""
    table, settings, collected = analysis.table, analysis.settings, analysis.collected

    def distinct(column: str) -> str:
        values = table[column].dropna().unique() if column in table else []
        more = f" and {len(values) - 4} more" if len(values) > 4 else ""
        return ", ".join(map(str, values[:4])) + more

    steps = ", ".join(f"{steps:g}" for steps in sorted(table["run.steps"].dropna().unique()))
    counts = f"{len(collected.table)} read, {len(collected.broken)} broken"
    counts += f", {len(collected.unfinished)} unfinished, {len(table)} chosen"
    least = f"a point counts from {settings.min_seeds} seeds on"
    return [
        ("data", source(table).removeprefix("data: ")),
        ("likelihood", distinct("likelihood")),
        ("split", distinct("split")),
        ("steps", steps),
        ("version", distinct("version")),
        ("device", distinct("run.device")),
        ("runs", counts),
        ("resamplings", f"{settings.num_bootstrap}, seed {settings.seed}; {least}"),
        ("folder", settings.wandb or ", ".join(map(str, settings.runs))),
    ]


def protocols(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Heading and JSON of each protocol, the most frequent first."""
    counts = table["protocol"].value_counts()
    most = [(count, orjson.loads(str(text))) for text, count in counts[counts > 0].head(4).items()]
    indent = orjson.OPT_INDENT_2
    return [(f"protocol of {n} runs", orjson.dumps(one, option=indent).decode()) for n, one in most]
