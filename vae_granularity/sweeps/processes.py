"""Processes of this machine that take jobs and do not outlive the one that started them."""

import multiprocessing as mp
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

import cloudpickle

from vae_granularity.sweeps.queue import Lost

GRACE = 30.0  # seconds that a worker has to save after SIGTERM


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalPool:
    """Up to `size` processes, each with its share of the cores; a context that ends them.

    Args:
        task: called with an item; pickled by value, so it may be a closure.
        size: processes at a time.
    """

    def __init__(self, task: Callable[[Any], Any], size: int) -> None:
        self.task, self.size = cloudpickle.dumps(task), size
        self.workers: list[_Worker] = []

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        for worker in self.workers:
            worker.end(asked=kind is None)
        deadline = time.monotonic() + GRACE
        for worker in self.workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()
        self.workers = []

    def has_room(self) -> bool:
        return len(self.workers) < self.size or any(w.number is None for w in self.workers)

    def start(self, number: int, item: Any) -> None:
        worker = next((w for w in self.workers if w.number is None), None)
        if worker is None:
            worker = _Worker(self.task, max(1, cores() // self.size))
            self.workers.append(worker)
        worker.take(number, item)

    def wait(self, seconds: float) -> list[tuple[int, Any]]:
        busy = {worker.connection: worker for worker in self.workers if worker.number is not None}
        if not busy:
            time.sleep(seconds)
        found: list[tuple[int, Any]] = []
        for connection in wait(list(busy), seconds) if busy else ():
            worker = busy[connection]  # pyright: ignore[reportArgumentType]
            assert worker.number is not None
            found.append((worker.number, worker.result()))
            worker.number = None
            if not worker.process.is_alive():
                self.workers.remove(worker)
        return found


class _Worker:
    def __init__(self, task: bytes, threads: int) -> None:
        context = mp.get_context("spawn")  # a fork of a process with threads may hang
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, task, threads))
        self.process.start()
        theirs.close()
        self.number: int | None = None

    def take(self, number: int, item: Any) -> None:
        self.number = number
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended meanwhile: see `result`
            self.connection.send_bytes(cloudpickle.dumps(item))

    def result(self) -> Any:
        try:
            return pickle.loads(self.connection.recv_bytes())
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return Lost(f"process {self.process.pid}: {how}")

    def end(self, *, asked: bool) -> None:
        """Let it end where it is idle, else, or where not `asked`, save what it trains and end."""
        if asked and self.number is None:
            self.connection.close()
        elif self.process.is_alive():
            self.process.terminate()


def _work(connection: Connection, task: bytes, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # before anything loads torch
    threading.Thread(target=_end_with_parent, daemon=True).start()
    call = pickle.loads(task)
    while True:
        try:
            item = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        connection.send_bytes(attempt(call, item))


def attempt(call: Callable[[Any], Any], item: Any) -> bytes:
    """What a job returned or the exception that it raised, as bytes for another process."""
    try:
        result = call(item)
    except Exception as error:  # of any kind: it is the result
        result = error
    try:
        text = cloudpickle.dumps(result)
        pickle.loads(text)  # what cannot be read again must not reach the parent
        return text
    except Exception:
        error = getattr(result, "_return_value", result)  # of Hydra's own result
        return cloudpickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    """SIGTERM, on which training saves, as soon as the parent is gone, however it went."""
    parent = mp.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
