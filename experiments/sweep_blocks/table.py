"""Held-out ELBO and MIG over seeds: python experiments/sweep_blocks/table.py runs/sweep_blocks"""

import sys

import pandas as pd

from vae_granularity import read_runs


def table(folder: str) -> str:
    """Markdown: a row a beta, a column a granularity; ELBO (nats) and MIG of the finished runs."""
    groups = read_runs(folder).groupby(["model.beta", "model.granularity"])
    wide = groups.apply(_cell).unstack()
    head = ["β", *(f"γ = {g}" for g in wide.columns)]
    rows = [[f"{beta:g}", *row] for beta, row in zip(wide.index, wide.to_numpy(), strict=True)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(runs: pd.DataFrame) -> str:
    names = ("val/elbo", "scores/mig")
    numbers = ", ".join(f"{runs[name].mean():.2f} ± {runs[name].std():.2f}" for name in names)
    return f"{numbers} ({len(runs)})"


if __name__ == "__main__":
    print(table(sys.argv[1]))
