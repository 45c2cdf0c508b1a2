"""Ways in which files are damaged, and a run that a power cut has stopped half-way."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lightning import Callback

from vae_granularity.training.callbacks import TermLogger

Damage = Callable[[Path], object]
NOISE = bytes(range(256)) * 8
LONGER = (
    "trainer.max_steps=60",
    "callbacks.checkpoint.every_n_train_steps=10",
    "callbacks.terms.every=7",
    "evaluation.every=25",
    "metrics=active_units",
)


def cut(path: Path, length: int = 300) -> None:
    """Only the first bytes reached the disk."""
    path.write_bytes(path.read_bytes()[:length])


def empty(path: Path) -> None:
    """The name is there, the content is not."""
    path.write_bytes(b"")


def noise(path: Path) -> None:
    """Other bytes."""
    path.write_bytes(NOISE)


def flip(path: Path) -> None:
    """One bit of the middle is another; size and time are as they were."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def folder(path: Path) -> None:
    """A folder of that name."""
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)


def pipe(path: Path) -> None:
    """Whoever opens it waits for good."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """An error where it takes longer, even if it waits for something that never comes."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def of(name: str, damage: Damage) -> Damage:
    """The damage of a file of a run, of the first name that fits."""

    def act(run: Path) -> None:
        path = next(iter(sorted(run.glob(name))), run / name)
        path.parent.mkdir(parents=True, exist_ok=True)
        damage(path)

    return act


class PowerCut(BaseException):
    """The power goes off."""


def interrupted(train: Callable[[], object], step: int = 33) -> None:
    """Train until the process dies in that step, without a word to anybody."""
    original = Callback.on_train_batch_start

    def die(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == step:
            raise PowerCut
        return original(self, trainer, pl_module, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TermLogger, "on_train_batch_start", die)
        with pytest.raises(PowerCut):
            train()


def copied(runs: Path, to: Path) -> Path:
    """The runs of a folder elsewhere; the one run directory of the copy."""
    shutil.copytree(runs, to)
    return next(path for path in to.iterdir() if path.is_dir())
