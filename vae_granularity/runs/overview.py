"""What stands in a folder of runs right now, from its files alone: any launcher, any machine."""

import heapq
import os
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vae_granularity.errors import DataError
from vae_granularity.files import read_json, write_json
from vae_granularity.runs.identity import RESULTS, short_digest
from vae_granularity.runs.status import Progress, is_busy, read_progress, recorded_failure
from vae_granularity.runs.table import Places, read_results, run_directories

DONE, TRAINING, FAILED, STOPPED, WAITING = "done", "training", "failed", "stopped", "waiting"
SWEEPS = ".sweeps"  # which runs the sweeps of a folder ask for
SILENT = 300.0  # seconds after which a sign from another machine no longer counts as training
SAMPLE = 100  # finished runs that a run's usual duration is taken from, the newest


@dataclass(frozen=True)
class RunState:
    """What a run is at."""

    directory: str
    state: str  # done | training | failed | stopped | waiting
    ended: float = 0.0  # Unix time of the results of one that is done
    progress: Progress | None = None  # of one that trains or was stopped
    cause: str = ""  # of one that failed

    @property
    def name(self) -> str:
        """The name of the run."""
        return os.path.basename(self.directory)


def state_of(directory: str, now: float) -> RunState:
    """What a run directory is at.

    Its lock says whether a process trains it; where locks do not reach other machines, a sign of
    life from one of them within `SILENT` seconds does.
    """
    try:
        return RunState(directory, DONE, os.stat(os.path.join(directory, RESULTS)).st_mtime)
    except FileNotFoundError:
        pass
    cause = recorded_failure(directory)
    if cause is not None:
        return RunState(directory, FAILED, cause=cause)
    sign = read_progress(directory)
    elsewhere = sign if sign and sign.host != socket.gethostname() else None
    alive = is_busy(directory) or (elsewhere and now - elsewhere.written < SILENT)
    return RunState(directory, TRAINING if alive else STOPPED, progress=sign)


def overview(runs: Places) -> list[RunState]:
    """All runs of some folders, with those that their sweeps ask for and that have not begun.

    Raises:
        DataError: there is neither a run nor a sweep.
    """
    places = [runs] if isinstance(runs, (str, Path)) else list(runs)
    now = time.time()
    states = [state_of(directory, now) for directory in run_directories(places)]
    begun = {os.path.realpath(state.directory) for state in states}
    asked = dict.fromkeys(directory for place in places for directory in asked_for(place))
    states += [RunState(d, WAITING) for d in asked if os.path.realpath(d) not in begun]
    if not states:
        raise DataError(f"runs={runs} holds no run directory and no sweep")
    return states


def record_sweep(directories: Iterable[Path]) -> None:
    """Leave word in their folders of the runs that a sweep asks for, begun or not."""
    folders: dict[Path, list[str]] = {}
    for directory in directories:
        folders.setdefault(directory.parent, []).append(directory.name)
    for folder, names in folders.items():
        (folder / SWEEPS).mkdir(parents=True, exist_ok=True)
        path = folder / SWEEPS / f"{short_digest(sorted(names))}.json"
        write_json(path, names)


def asked_for(folder: str | Path) -> list[str]:
    """The run directories that sweeps ask for in a folder; a damaged record counts as none."""
    found: dict[str, None] = {}
    for path in sorted(Path(folder, SWEEPS).glob("*.json")):
        with suppress(OSError, ValueError, TypeError):
            found |= {str(name): None for name in read_json(path)}
    return [os.path.join(folder, name) for name in found if os.path.basename(name) == name]


def usual_seconds(states: Sequence[RunState]) -> float | None:
    """Mean wall time of the newest finished runs, else of those that train; None without any."""
    newest = heapq.nlargest(SAMPLE, (s for s in states if s.state == DONE), key=lambda s: s.ended)
    found = [seconds for state in newest if (seconds := _wall_seconds(state.directory))]
    if not found:
        signs = [state.progress for state in states if state.state == TRAINING and state.progress]
        found = [sign.seconds_per_step * sign.steps for sign in signs if sign.seconds_per_step]
    return sum(found) / len(found) if found else None


def _wall_seconds(directory: str) -> float | None:
    try:
        run = read_results(directory, parts=("run",))["run"]
    except (DataError, FileNotFoundError):
        return None
    # A population notes the share of each member; they trained side by side.
    share, members = run.get("seconds"), run.get("population", 1)
    known = isinstance(share, (int, float)) and isinstance(members, int)
    return share * members if known else None


def seconds_left(states: Sequence[RunState], usual: float | None, now: float) -> float | None:
    """Until all are done, if as many train at a time as now; None if that cannot be said.

    A run that is not done takes what its own speed or, before it has one, the `usual` run says.
    """
    own: list[float] = []
    rest = 0.0
    for state in states:
        sign = state.progress
        left = sign.seconds_left(now) if sign and state.state == TRAINING else None
        if left is None and usual is None and state.state in (TRAINING, STOPPED, WAITING):
            return None
        if state.state == TRAINING:
            own.append(usual or 0.0 if left is None else left)
        elif state.state in (STOPPED, WAITING):
            done = (sign.step or 0) / sign.steps if sign else 0.0
            rest += (usual or 0.0) * (1.0 - done)
    if not own:
        return None if rest else 0.0
    return max(*own, (sum(own) + rest) / len(own), 0.0)
