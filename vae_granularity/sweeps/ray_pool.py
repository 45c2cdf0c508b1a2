"""Run jobs on a Ray cluster: one that runs already, or one of this machine for a sweep."""

import os
import pickle
import secrets
import time
from collections.abc import Callable
from typing import Any

import cloudpickle

from vae_granularity.errors import ArgumentError, UserError
from vae_granularity.sweeps.workers import Lost, attempt
from vae_granularity.terminal import say

# Nothing is reported to Ray's authors. Points run at the command's own priority, not at Ray's 15
# below it, at which they stand still on a machine that others use.
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
# The ports of a cluster run any code that they are sent. One that is started here listens on the
# loopback interface alone (the first line, in Ray's words), and to those who know a token that this
# command makes, so that Ray writes none into the user's home, which `ray start` would then use on
# other machines.
LOCAL_CLUSTER = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
STORE_BYTES = 80 * 2**20  # of Ray's object store: results are small; Ray takes no less than 75 MiB


class RayPool:
    """Jobs on a Ray cluster, which decides where each runs; a context that leaves the cluster.

    Args:
        task: called with an item; pickled by value.
        address: of a cluster that runs; None starts one here and ends it.
        cpus, gpus: that a job takes, fractions too.
        num_cpus, num_gpus: of the cluster that is started here; None are those of the machine.

    Raises:
        UserError: there is no cluster at the address, or Ray is not installed.
        ArgumentError: no machine of a cluster started here has what a job takes.
    """

    def __init__(
        self,
        task: Callable[[Any], Any],
        *,
        address: str | None = None,
        cpus: float = 1.0,
        gpus: float = 0.0,
        num_cpus: int | None = None,
        num_gpus: int | None = None,
    ) -> None:
        # Ray reads some of these when it is imported.
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if address is None:
            token = {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
            for name, value in (LOCAL_CLUSTER | token).items():
                os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise UserError(
                "hydra/launcher=ray needs the extra 'ray': pip install 'vae-granularity[ray]'"
            ) from error
        self.ray: Any = ray
        self.numbers: dict[Any, int] = {}  # of the jobs, by Ray's reference to the result
        # A cluster that a caller of this process has joined is not left.
        self.leaves = not ray.is_initialized()
        if self.leaves:
            _join_cluster(ray, address, num_cpus, num_gpus)
        self._check_resources(cpus, gpus, address)
        # Lost workers are counted and said by `run_all`, not by Ray.
        remote: Any = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)
        self.call = remote(_call)
        self.task = ray.put(cloudpickle.dumps(task))

    def _check_resources(self, cpus: float, gpus: float, address: str | None) -> None:
        resources = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in resources):
            return
        machines = "; ".join(
            f"CPU {node.get('CPU', 0):g}, GPU {node.get('GPU', 0):g}" for node in resources
        )
        message = (
            f"hydra.launcher.cpus={cpus:g}, hydra.launcher.gpus={gpus:g}: no machine has what a "
            f"point takes ({machines})"
        )
        if address is None:
            self._leave()
            raise ArgumentError(message)
        say(f"{message}; waiting for one that joins {address}")

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *_: Any) -> None:
        for reference in self.numbers:
            self.ray.cancel(reference, force=True)
        self._leave()

    def _leave(self) -> None:
        if self.leaves:
            self.ray.shutdown()

    def submit(self, number: int, item: Any) -> None:
        """Queue a job. Ray holds the queue, so that a machine that joins is used at once."""
        self.numbers[self.call.remote(self.task, cloudpickle.dumps(item))] = number

    def completed(self, seconds: float) -> list[tuple[int, Any]]:
        """Return number and result of the jobs that have ended."""
        if not self.numbers:
            time.sleep(seconds)
            return []
        references, _ = self.ray.wait(list(self.numbers), num_returns=1, timeout=seconds)
        return [(self.numbers.pop(reference), self._result(reference)) for reference in references]

    def _result(self, reference: Any) -> Any:
        try:
            return pickle.loads(self.ray.get(reference))
        except self.ray.exceptions.RayTaskError as error:  # before or after the job itself
            return RuntimeError(f"a Ray worker cannot run the job: {error.cause!r}")
        except self.ray.exceptions.RayError as error:
            return Lost(f"{type(error).__name__}: {' '.join(str(error).split())[:150]}")


def _join_cluster(
    ray: Any, address: str | None, num_cpus: int | None, num_gpus: int | None
) -> None:
    """Start a cluster on this machine, or join the one at the address."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        ray.init(
            "local",
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            **quiet,
        )
        return
    try:
        ray.init(address, **quiet)
    except ConnectionError as error:
        raise UserError(
            f"hydra.launcher.address={address}: no Ray cluster answers there (ray start --head on "
            "one machine, ray start --address=... on the others), or it asks for another token "
            "(RAY_AUTH_TOKEN)"
        ) from error


def _call(task: bytes, item: bytes) -> bytes:
    """Run a job in a Ray worker."""
    return attempt(pickle.loads(task), pickle.loads(item))
