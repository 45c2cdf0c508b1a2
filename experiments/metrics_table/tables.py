"""Writes the tables of one run's results.json as table.md, and its figures, beside this file.

python experiments/metrics_table/tables.py RUN_DIRECTORY
"""

import shutil
import sys
from pathlib import Path

from vae_granularity.evaluation.score_table import as_markdown, tables, term_lines
from vae_granularity.runs.table import read_results

FIGURES = ("mi_knn", "dci_importances", "granularity_profile")


def write(run: Path, folder: Path) -> None:
    """table.md and the figures of a run directory into `folder`."""
    found = read_results(run)
    terms = "\n".join(f"- {line}" for line in term_lines(found["terms"], found["protocol"]))
    shown = "\n\n".join(as_markdown(table) for table in tables(found["scores"], found["protocol"]))
    (folder / "table.md").write_text(
        f"# {found['run']['title']}, {found['run']['steps']} steps\n\n{terms}\n\n{shown}\n"
    )
    for name in FIGURES:
        if (run / "figures" / f"{name}.png").is_file():
            shutil.copyfile(run / "figures" / f"{name}.png", folder / f"{name}.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(__file__).parent)
