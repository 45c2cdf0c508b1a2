"""What the page says of its runs in words: title, facts, notes, provenance, protocols."""

from __future__ import annotations

import orjson
import pandas as pd

from vae_granularity.analysis import axes
from vae_granularity.analysis.collect import Collected
from vae_granularity.analysis.findings import ModelFindings
from vae_granularity.analysis.page.labels import name_of, value_label, with_unit
from vae_granularity.analysis.settings import Settings


def title(settings: Settings) -> str:
    """What the page is about: number, folder or project, chosen values."""
    where = settings.wandb or ", ".join(folder.name or str(folder) for folder in settings.runs)
    chosen = ", ".join(
        f"{name} = {value_label(name, value)}" for name, value in settings.where.items()
    )
    return f"{with_unit(settings.value)} of the runs in {where}" + (
        f" with {chosen}" if chosen else ""
    )


def source(table: pd.DataFrame) -> str:
    """`blocks (synthetic)`: where the images come from, said with every figure."""
    pairs = table[["data.name", "data.source"]].drop_duplicates().itertuples(index=False)
    return "data: " + ", ".join(f"{name} ({source})" for name, source in pairs)


def facts(table: pd.DataFrame, found: pd.DataFrame, parameters: list[str]) -> list[str]:
    """In short, below the title; found: a row a point."""
    seeds = int(table["seed"].nunique())
    seconds = table["run.seconds"].sum()
    return [
        source(table),
        f"{len(table)} runs",
        f"{len(found)} points" if parameters else "one point",
        f"{seeds} seed{'s' if seeds > 1 else ''}",
        f"{seconds / 60:.0f} minutes of training"
        if seconds < 36_000
        else f"{seconds / 3600:.0f} hours of training",
        "models: " + ", ".join(sorted(table["run.model"].unique())),
    ]


def confounded(table: pd.DataFrame) -> list[str]:
    """Choices as large as the model or the network that always change together with a parameter,
    which alone is shown.
    """
    found = {
        name: [other for other in others if other in axes.IDENTITY]
        for name, others in axes.companions(table).items()
    }
    return [
        f"{name_of(name)} changes together with {', '.join(map(name_of, others))} here: what is seen over the one may come from the other"
        for name, others in found.items()
        if others
    ]


def left_out(collected: Collected) -> list[str]:
    """Runs that are missing on the page, and versions that are mixed."""
    notes = []
    if collected.broken:
        notes.append(
            f"{len(collected.broken)} results could not be read; they are listed at the end of the page"
        )
    if collected.unfinished:
        notes.append(f"{len(collected.unfinished)} runs are not finished and are left out")
    versions = sorted(collected.table["version"].dropna().unique())
    if len(versions) > 1:
        notes.append(
            f"the runs were made by {len(versions)} versions of vae-granularity ({', '.join(versions)}); what changed is in CHANGELOG.md"
        )
    return notes


def provenance(
    table: pd.DataFrame, collected: Collected, settings: Settings
) -> list[tuple[str, str]]:
    """Name and content of each line about where the numbers come from."""

    def distinct(column: str) -> str:
        values = (
            [str(value) for value in table[column].dropna().unique()] if column in table else []
        )
        return ", ".join(values[:4]) + (f" and {len(values) - 4} more" if len(values) > 4 else "")

    return [
        ("data", source(table).removeprefix("data: ")),
        ("likelihood", distinct("likelihood")),
        ("split", distinct("split")),
        (
            "steps",
            ", ".join(f"{steps:g}" for steps in sorted(table["run.steps"].dropna().unique())),
        ),
        ("version", distinct("version")),
        ("device", distinct("run.device")),
        (
            "runs",
            f"{len(collected.table)} read, {len(collected.broken)} broken, {len(collected.unfinished)} unfinished, {len(table)} chosen",
        ),
        (
            "resamplings",
            f"{settings.draws}, seed {settings.seed}; a point counts from {settings.min_seeds} seeds on",
        ),
        ("folder", settings.wandb or ", ".join(map(str, settings.runs))),
    ]


def protocols(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Heading and JSON of each protocol, the most frequent first."""
    counts = table["protocol"].value_counts()
    return [
        (
            f"protocol of {count} runs",
            orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode(),
        )
        for text, count in counts[counts > 0].head(4).items()
    ]


def unreadable(asked: ModelFindings) -> list[str]:
    """One line for each reason why models could not be asked."""
    runs: dict[str, list[str]] = {}
    for run, reason in asked.failed.items():
        runs.setdefault(reason, []).append(run)
    return [
        f"{len(names)} models could not be asked, the first of them {names[0]}: {reason}"
        for reason, names in runs.items()
    ][:20]
