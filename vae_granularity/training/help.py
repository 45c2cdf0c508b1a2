"""Return the text of `--help`: a command's keys with their comments, from its yaml; no torch."""

import textwrap
from itertools import groupby
from pathlib import Path

import yaml

EXAMPLES = {
    "train": (
        "python -m vae_granularity.train model=stcvae dataset=shapes3d trainer=quick",
        "python -m vae_granularity.train -m model.beta=1,4 seed=0,1 paths.output_dir=runs/beta",
    ),
    "evaluate": (
        "python -m vae_granularity.evaluate run=runs metrics=full",
        "python -m vae_granularity.evaluate 'run=runs/*_b4_*' 'metrics=[mig,dci]'",
    ),
    "analyze": ("python -m vae_granularity.analyze runs=runs/beta",),
    "status": ("python -m vae_granularity.status runs=runs/beta watch=true",),
    "dashboards": ("python -m vae_granularity.dashboards project=NAME entity=NAME",),
}
DETAILED = ("model", "dataset", "trainer", "evaluation")  # groups whose keys are listed
MORE = (
    "more: `--cfg job` prints the whole config; `--hydra-help` has the flags of Hydra; README.md\n"
    "and docs/ the rest."
)


def help_text(folder: Path, command: str, arguments: list[str]) -> str:
    """The text, with the keys of the options that `arguments` choose (`model=qlae`).

    Args:
        folder: of the yaml files.
        command: name of its yaml file.
    """
    source = (folder / f"{command}.yaml").read_text(encoding="utf-8")
    defaults = yaml.safe_load(source).get("defaults", [])
    chosen: dict[str, str | None] = {}
    for entry in defaults:
        chosen.update(_group(entry, folder))
    named = (argument.split("=", 1) for argument in arguments if "=" in argument)
    chosen |= {group: option for group, option in named if group in chosen}
    sections = ["examples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[command])]
    sections.append("keys, KEY=VALUE on the command line:\n" + _indented(_keys_of(source)))
    if chosen:
        lines = [
            f"  {group}={option or '(none)'}  of {_options(folder / group)}"
            for group, option in chosen.items()
        ]
        sections.append("groups, GROUP=OPTION, the default first:\n" + _indented("\n".join(lines)))
    for group in DETAILED:
        path = folder / group / f"{chosen.get(group)}.yaml"
        if path.is_file():
            sections.append(
                f"{group}.KEY=VALUE, of {group}={path.stem}:\n"
                + _indented(_keys_of(path.read_text(encoding="utf-8")))
            )
    return "\n\n".join([*sections, MORE])


def _group(entry: object, folder: Path) -> list[tuple[str, str | None]]:
    """Return group and option of an entry of a defaults list, unless it is one of Hydra's."""
    pairs = entry.items() if isinstance(entry, dict) else ()
    named = [(str(key).split()[-1], option) for key, option in pairs]
    return [(group, option) for group, option in named if not group.startswith("hydra")]


def _options(folder: Path) -> str:
    return ", ".join(sorted(p.stem for p in folder.glob("*.yaml") if not p.stem.startswith("_")))


def _keys_of(source: str) -> str:
    """Return a yaml file without its lists of defaults, Hydra's node and what builds the object."""
    lines: list[str] = []
    skipped = False
    for line in source.splitlines():
        # A line at the margin begins a block; indented lines belong to it.
        if line and not line[0].isspace():
            skipped = line.startswith(
                ("defaults:", "hydra:", "_target_:", "_partial_:", "# @package")
            )
        if not skipped and line.strip():
            lines.append(line)
    return "\n".join(lines)


def _indented(text: str) -> str:
    """Lines of at most 100 columns; comments that follow each other are one paragraph."""
    lines: list[str] = []
    for is_comment, block in groupby(text.splitlines(), key=lambda line: line.startswith("# ")):
        if is_comment:
            paragraph = " ".join(line.removeprefix("# ") for line in block)
            lines += _wrapped(paragraph, first="  # ", later="  # ")
        else:
            for line in block:
                lines += (
                    _wrapped(line, first="  ", later=" " * 8) if len(line) > 98 else [f"  {line}"]
                )
    return "\n".join(lines)


def _wrapped(text: str, first: str, later: str) -> list[str]:
    return textwrap.wrap(
        text, 100, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
    )
