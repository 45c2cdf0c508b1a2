"""How often does the answer name the true granularity? Repetitions with new data and models.

    python experiments/answer/repetitions.py FOLDER [REPETITIONS]

Goes on where it was interrupted; writes repetitions.csv beside this file.
"""

import csv
import subprocess
import sys
from pathlib import Path

from vae_granularity.answer import split_arguments
from vae_granularity.answering.judgement import ELBO, GAP, GRANULARITY, judge
from vae_granularity.runs.table import read_runs

# Name, true granularity, overrides.
TRUTHS = (
    ("five rings", 2, ("dataset.num_blocks=5", "dataset.kinds=ring", "dataset.block_dim=2")),
    ("four spheres", 3, ("dataset.num_blocks=4", "dataset.kinds=sphere", "dataset.block_dim=3")),
    ("ten numbers", 1, ("dataset.num_blocks=10", "dataset.kinds=gaussian", "dataset.block_dim=1")),
)
LATENTS = {"five rings": 10, "four spheres": 12, "ten numbers": 10}
SHARED = ("dataset=blocks", "net.width=0.5", "trainer.max_steps=1000")
GRANULARITIES = (1, 2, 3)
MODELS = 2


def main(folder: Path, repetitions: int) -> None:
    """Train and judge every repetition, and write the table."""
    rows = []
    for name, truth, options in TRUTHS:
        for number in range(repetitions):
            place = folder / f"{name.replace(' ', '_')}_{number}"
            _, overrides = split_arguments(
                [
                    *SHARED,
                    *options,
                    f"model.latent_dim={LATENTS[name]}",
                    f"dataset.data_seed={number}",
                    f"paths.output_dir={place}",
                ]
            )
            seeds = ",".join(str(MODELS * number + model) for model in range(MODELS))
            command = [sys.executable, "-m", "vae_granularity.train", "-m", *overrides]
            command += [f"model.granularity={','.join(map(str, GRANULARITIES))}", f"seed={seeds}"]
            command += ["hydra/launcher=population", "hydra.launcher.processes=1"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            runs = read_runs(place)
            judgement = judge(runs)
            means = runs.groupby(GRANULARITY)[[ELBO, GAP]].mean()
            rows.append(
                {
                    "data": name,
                    "repetition": number,
                    "truth": truth,
                    "answer": judgement.granularity or "not enough",
                    "best ELBO": int(means[ELBO].idxmax()),
                    "best gap by group": int(means[GAP].idxmax()),
                }
            )
            print(rows[-1], flush=True)
            with (Path(__file__).parent / "repetitions.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
