"""Run jobs in worker processes of this machine, which end with the process that started them.

A worker that dies is replaced, and its job is started again. A worker is a copy of a server process
that has imported some modules once, so that a job begins at once.
"""

import multiprocessing as mp
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

import cloudpickle

from vae_granularity.terminal import say

GRACE_SECONDS = 30.0  # that a worker has to save a checkpoint after SIGTERM
# The server listens at a socket in a folder below that of temporary files; a path of more than 107
# bytes cannot be one.
LONGEST_TEMPORARY_FOLDER = 60


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Lost:
    """Stands for the result of a job whose worker died."""

    cause: str


class WorkerLost(RuntimeError):
    """Each worker that was given this job died."""


class Pool(Protocol):
    """Workers that run the jobs which they are given, some at a time."""

    def submit(self, number: int, item: Any) -> None:
        """Queue a job."""
        ...

    def completed(self, seconds: float) -> list[tuple[int, Any]]:
        """Return number and result of the jobs that have ended, within so many seconds.

        A result is what the job returned, the exception that it raised, or `Lost`.
        """
        ...


def run_all(
    pool: Pool, items: Sequence[Any], attempts: int, name: Callable[[Any], str] = str
) -> list[Any]:
    """Run a job for each item; return its result, its exception, or `WorkerLost`.

    Args:
        attempts: workers that one job may lose.
        name: of an item, for messages.
    """
    results: dict[int, Any] = {}
    losses = Counter[int]()
    for number, item in enumerate(items):
        pool.submit(number, item)
    while len(results) < len(items):
        for number, result in pool.completed(seconds=1.0):
            if not isinstance(result, Lost):
                results[number] = result
                continue
            losses[number] += 1
            if losses[number] < attempts:
                say(f"{name(items[number])}: lost a worker ({result.cause}); launched again")
                pool.submit(number, items[number])
            else:
                results[number] = WorkerLost(
                    f"lost a worker ({result.cause}), {attempts} times in this job: the last "
                    "attempt (hydra.launcher.attempts)"
                )
    return [results[number] for number in range(len(items))]


class LocalPool:
    """Worker processes of this machine, each with its share of the cores; a context that ends them.

    Args:
        task: called with an item; pickled by value, so it may be a closure.
        size: workers at a time.
        gpus: values of CUDA_VISIBLE_DEVICES, dealt to the workers; none leaves it as it is.
        preload: modules that the server imports. They must not initialise CUDA, which no copy of a
            process survives.
    """

    def __init__(
        self,
        task: Callable[[Any], Any],
        size: int,
        gpus: Sequence[str] = (),
        preload: Sequence[str] = (),
    ) -> None:
        self.task = cloudpickle.dumps(task)
        self.size = size
        self.gpus = gpus
        self.queue = deque[tuple[int, Any]]()
        self.workers: list[_Worker] = []
        # A plain fork of this process, which has threads, could hang.
        has_server = preload and len(os.fsencode(tempfile.gettempdir())) <= LONGEST_TEMPORARY_FOLDER
        self.context: Any = mp.get_context("forkserver" if has_server else "spawn")
        self.context.set_forkserver_preload(list(preload))

    def __enter__(self) -> "LocalPool":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        for worker in self.workers:
            if kind is None and worker.job is None:
                worker.connection.close()  # it ends by itself
            else:
                worker.process.terminate()  # it saves what it trains
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in self.workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.process.kill()
            worker.process.join()
        self.workers = []

    def submit(self, number: int, item: Any) -> None:
        """Queue a job."""
        self.queue.append((number, item))

    def completed(self, seconds: float) -> list[tuple[int, Any]]:
        """Hand queued jobs to idle workers; return number and result of those that have ended."""
        while self.queue and (worker := self._idle_worker()):
            worker.begin(*self.queue.popleft())
        busy = {worker.connection: worker for worker in self.workers if worker.job is not None}
        results: list[tuple[int, Any]] = []
        for connection in wait(list(busy), seconds):
            worker = busy[connection]  # pyright: ignore[reportArgumentType]
            assert worker.job is not None
            result = worker.result()
            results.append((worker.job, result))
            worker.job = None
            if isinstance(result, Lost):
                self.workers.remove(worker)
        return results

    def _idle_worker(self) -> "_Worker | None":
        for worker in self.workers:
            if worker.job is None:
                return worker
        if len(self.workers) == self.size:
            return None
        # A worker that replaces a dead one takes over its GPU.
        in_use = Counter(worker.gpu for worker in self.workers)
        gpu = min(self.gpus, key=lambda name: in_use[name], default=None)
        worker = _Worker(self.context, self.task, max(1, cores() // self.size), gpu)
        self.workers.append(worker)
        return worker


class _Worker:
    """A worker process, seen from the one that started it."""

    def __init__(self, context: Any, task: bytes, threads: int, gpu: str | None) -> None:
        self.gpu = gpu
        self.job: int | None = None
        self.connection, workers_end = context.Pipe()
        self.process = context.Process(target=_work, args=(workers_end, task, threads, gpu))
        self.process.start()
        workers_end.close()

    def begin(self, job: int, item: Any) -> None:
        self.job = job
        # A worker that died while it was idle is noticed by `result`.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send_bytes(cloudpickle.dumps(item))

    def result(self) -> Any:
        try:
            return pickle.loads(self.connection.recv_bytes())
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode or 0
            ending = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return Lost(f"process {self.process.pid}: {ending}")


def _work(connection: Connection, task: bytes, threads: int, gpu: str | None) -> None:
    """Run the jobs that come by the connection until it is closed."""
    # Ctrl-C reaches all processes of a terminal; the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    if "OMP_NUM_THREADS" not in os.environ:
        _limit_threads(threads)
    call = pickle.loads(task)
    while True:
        try:
            item = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        connection.send_bytes(attempt(call, item))


def _limit_threads(threads: int) -> None:
    """Let this process and those that it starts compute by so many threads."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    # Libraries that are loaded already have read that variable.
    if "torch" in sys.modules:
        import torch
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
        torch.set_num_threads(threads)


def attempt(call: Callable[[Any], Any], item: Any) -> bytes:
    """Call the job and pickle its result or exception."""
    try:
        result = call(item)
    except Exception as error:  # of any kind: it is the result
        result = error
    try:
        text = cloudpickle.dumps(result)
        # What cannot be read again must not reach the process that waits for it.
        pickle.loads(text)
        return text
    except Exception:
        error = getattr(result, "_return_value", result)  # of Hydra's own result
        return cloudpickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    """Send this process SIGTERM, on which training saves, once its parent is gone."""
    parent = mp.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
