"""Short runs of rendered Shapes3D under several settings: process CPU time and final scores.

    OMP_NUM_THREADS=1 nice -n 10 python experiments/main_job/compare.py FOLDER [SETTING ...]

Each setting of `SETTINGS` (all, or the named ones) is one run in FOLDER; one that is done is not
trained again. FOLDER/results.csv is written anew after each.
"""

import csv
import json
import resource
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BASE = (
    "model=stcvae dataset=shapes3d dataset.source=rendered trainer=quick logger=csv compile=none "
    "evaluation.every=100000 evaluation.figures=false evaluation.null_draws=0 "
    "metrics=[mig,infomec,active_units] trainer.precision=bf16-mixed"
)
SETTINGS = dict(line.split(maxsplit=1) for line in (HERE / "settings.txt").read_text().splitlines())
SCORES = ("mig", "infom", "infoc", "infoe", "infom_group", "infoc_group", "active_kl")
TERMS = ("val/elbo", "val/kl", "val/between_group_tc", "val/within_group_tc")


def main(folder: Path, names: list[str]) -> None:
    for name in names or list(SETTINGS):
        out = folder / name
        if list(out.glob("*/results.json")):
            continue
        out.mkdir(parents=True, exist_ok=True)
        paths = f"paths.output_dir={out} paths.cache_dir={folder / 'cache'}"
        command = [sys.executable, "-m", "vae_granularity.train"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with (out / "log.txt").open("w") as log:
            arguments = [*BASE.split(), *SETTINGS[name].split(), *paths.split()]
            subprocess.run([*command, *arguments], stdout=log, stderr=log, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        (out / "cpu.txt").write_text(f"{cpu:.0f}")
        write_table(folder)


def write_table(folder: Path) -> None:
    rows = []
    for name, setting in SETTINGS.items():
        for path in (folder / name).glob("*/results.json"):
            found = json.loads(path.read_text())
            numbers = found["scores"] | found["terms"]
            warned = "collapsing" in (folder / name / "log.txt").read_text()
            row = {"setting": name, "cpu_seconds": (folder / name / "cpu.txt").read_text()}
            values = {key: numbers.get(key) for key in (*SCORES, *TERMS)}
            row |= {k: "" if v is None else f"{v:.4g}" for k, v in values.items()}
            rows.append(row | {"collapse_warning": warned, "overrides": setting})
    if rows:
        with (folder / "results.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2:])
