"""Starts or continues the study's runs, keeps what is done, and draws what is read off it.

    python experiments/study/study.py run SCALE [FOLDER [PIECE]]  # starts or continues the runs
    python experiments/study/study.py keep SCALE [FOLDER]         # what is done, into an archive
    python experiments/study/study.py figures SCALE [FOLDER [OUT]]  # tables and figures of it

SCALE is quick, workstation or gpu. A piece is one folder below FOLDER (runs/study_SCALE); PIECE is
how the names of the wanted ones begin. What is done, here or in the archive, is not done again.
README.md says what is asked, and what will count as an answer.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from plan import SCALES, pieces
from results import COMPLEXITY, PROFILE, write_results

from vae_granularity.runs.identity import CONFIG, RESULTS

HERE = Path(__file__).parent
KEPT = (CONFIG, "metrics.csv", RESULTS)  # of a run; RESULTS comes last: it makes the run done


def run(scale: str, folder: Path, only: str = "") -> None:
    """Start or continue every piece whose name begins with `only`."""
    restore(scale, folder)
    for name, overrides in pieces(SCALES[scale], folder):
        if name.startswith(only):
            command = [sys.executable, "-m", "vae_granularity.train", "-m", *overrides]
            print(f"piece {name}", flush=True)
            subprocess.run([*command, f"paths.output_dir={folder / name}"], check=True)


def keep(scale: str, folder: Path) -> None:
    """Put what is done into the archive beside this file: all that the figures are drawn from."""
    restore(scale, folder)  # what another machine had done stays in it
    archive = _archive(scale)
    archive.parent.mkdir(exist_ok=True)
    files = [
        file
        for results in sorted(folder.glob(f"*/*/{RESULTS}"))
        for file in (results.parent / name for name in KEPT)
    ]
    files += [file for name in (PROFILE, COMPLEXITY) for file in sorted(folder.glob(f"*/{name}"))]
    with tarfile.open(f"{archive}.part", "w:xz", preset=9) as tar:
        for file in files:
            tar.add(file, str(file.relative_to(folder)))
    os.replace(f"{archive}.part", archive)
    print(f"{archive}: {len(files)} files, {archive.stat().st_size / 1e6:.1f} MB")


def restore(scale: str, folder: Path) -> None:
    """Take what the archive holds and the folder does not: those runs are done."""
    folder.mkdir(parents=True, exist_ok=True)
    if _archive(scale).exists():
        with tarfile.open(_archive(scale)) as tar:
            absent = [member for member in tar if not (folder / member.name).exists()]
            tar.extractall(folder, members=absent, filter="data")


def _archive(scale: str) -> Path:
    return HERE / "runs" / f"{scale}.tar.xz"


def figures(scale: str, folder: Path, out: str = "") -> None:
    """Write `out` (results/SCALE beside this file) anew from what is done."""
    restore(scale, folder)
    place = Path(out) if out else HERE / "results" / scale
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    write_results(folder, place)


if __name__ == "__main__":
    does = {"run": run, "keep": keep, "figures": figures}
    if len(sys.argv) < 3 or sys.argv[1] not in does or sys.argv[2] not in SCALES:
        sys.exit(__doc__)
    place = Path(sys.argv[3] if len(sys.argv) > 3 else f"runs/study_{sys.argv[2]}")
    does[sys.argv[1]](sys.argv[2], place.resolve(), *sys.argv[4:])
