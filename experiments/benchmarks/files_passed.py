"""Files of the package that a batch, a score, a number of the report, a population point pass.

    python experiments/benchmarks/files_passed.py [--root CHECKOUT]

Protocol: every command is run twice, the second time with more of one thing (steps, metrics, runs,
members). The files whose functions are called more often the second time are those that the thing
passes through. `--root` names another checkout, for a count of the past.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TINY = ("dataset=blocks", "trainer=debug", "logger=csv", "evaluation.figures=false", "net.width=8")
COUNT = """
import collections, json, runpy, sys, threading
calls, out = collections.Counter(), sys.argv[1]
def seen(frame, event, argument):
    if event == "call" and "/vae_granularity" in frame.f_code.co_filename:
        calls[frame.f_code.co_filename, frame.f_code.co_name] += frame.f_code.co_name != "<module>"
sys.argv = sys.argv[2:]
sys.setprofile(seen)
threading.setprofile(seen)
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as end:
    if end.code:
        raise
finally:
    sys.setprofile(None)
    json.dump([[*key, count] for key, count in calls.items()], open(out, "w"))
"""


def calls(root: Path, folder: Path, command: str, *arguments: str) -> dict[tuple[str, str], int]:
    """Calls of each function of the package, by file and name, while a command runs."""
    out = folder / "calls.json"
    environment = os.environ | {"PYTHONPATH": str(root), "WANDB_MODE": "disabled"}
    module = f"vae_granularity.{command}"
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(out), module, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return {(file, name): count for file, name, count in json.loads(out.read_text())}


def more(once: dict[tuple[str, str], int], again: dict[tuple[str, str], int]) -> list[str]:
    """Files of which some function is called more often the second time."""
    grown = {key[0] for key, count in again.items() if count > once.get(key, 0)}
    return sorted(file.rpartition("/vae_granularity/")[2] or file for file in grown)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2])
    root = parser.parse_args().root.resolve()
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def train(out: str, *arguments: str) -> dict[tuple[str, str], int]:
            return calls(root, folder, "train", *arguments, *TINY, f"paths.output_dir={out}")

        quiet = ("metrics=active_units", "callbacks.terms.every=1000")
        found["one training batch"] = more(
            train("a", *quiet, "trainer.max_steps=4"), train("b", *quiet, "trainer.max_steps=8")
        )
        train("c", "metrics=active_units")
        none = calls(root, folder, "evaluate", "run=c", "metrics=active_units")
        found["one score"] = more(
            none, calls(root, folder, "evaluate", "run=c", "metrics=[active_units,mig]")
        )
        sweep = ("-m", "model.beta=1,2", "model.granularity=1,2", "metrics=active_units")
        train("d", *sweep, "seed=0,1,2")
        few = calls(root, folder, "analyze", "runs=d", "figures=0")
        train("d", *sweep, "seed=3,4,5")
        found["one number of the report"] = more(
            few, calls(root, folder, "analyze", "runs=d", "figures=0", "out=e")
        )
        packed = ("-m", "hydra/launcher=population", "metrics=active_units")
        two, four = "seed=0,1", "seed=0,1,2,3"
        found["one population point"] = more(train("f", *packed, two), train("g", *packed, four))
    for what, files in found.items():
        print(f"{what}: {len(files)}\n  {' '.join(files)}")


if __name__ == "__main__":
    main()
