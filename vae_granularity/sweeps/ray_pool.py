"""Workers of a Ray cluster, started here for the time of a sweep or running already."""

import os
import pickle
import secrets
import time
from collections.abc import Callable
from typing import Any

import cloudpickle

from vae_granularity.errors import ArgumentError, UserError
from vae_granularity.sweeps.processes import attempt
from vae_granularity.sweeps.queue import Lost

# Reports to nobody; and points run at the command's own priority, not at Ray's 15 below it, at
# which they stand still on a machine that others use.
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
# Of a cluster that is started here, whose ports run any code that they are sent: it listens on the
# loopback interface alone (Ray's word for that), and to who knows a token of this command's own, so
# that Ray leaves none in the user's home, which `ray start` would then ask of other machines.
OWN = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
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
        own = {} if address else OWN | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
        for name, value in (ENVIRONMENT | own).items():  # before Ray, which reads some on import
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            how = "pip install 'vae-granularity[ray]'"
            raise UserError(f"hydra/launcher=ray needs the extra 'ray': {how}") from error
        self.ray, self.jobs = ray, {}  # future: number
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        self.begun = not ray.is_initialized()  # whoever began it ends it
        if self.begun and address is None:
            quiet |= {"include_dashboard": False, "object_store_memory": STORE_BYTES}
            ray.init("local", num_cpus=num_cpus, num_gpus=num_gpus, **quiet)
        elif self.begun:
            try:
                ray.init(address, **quiet)
            except ConnectionError as error:
                raise UserError(
                    f"hydra.launcher.address={address}: no Ray cluster answers there (ray start "
                    "--head on one machine, ray start --address=... on the others), or it asks for "
                    "another token (RAY_AUTH_TOKEN)"
                ) from error
        self._check(cpus, gpus, address)
        remote: Any = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)
        self.call, self.task = remote(_call), ray.put(cloudpickle.dumps(task))

    def _check(self, cpus: float, gpus: float, address: str | None) -> None:
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(n.get("CPU", 0) >= cpus and n.get("GPU", 0) >= gpus for n in nodes):
            have = "; ".join(f"CPU {n.get('CPU', 0):g}, GPU {n.get('GPU', 0):g}" for n in nodes)
            said = (
                f"hydra.launcher: a point takes cpus={cpus:g}, gpus={gpus:g}, and no machine has "
                f"that: {have}"
            )
            if address is None:
                self._leave()
                raise ArgumentError(said)
            print(f"{said}; waiting for one that joins {address}", flush=True)

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *_: Any) -> None:
        for job in self.jobs:
            self.ray.cancel(job, force=True)
        self._leave()

    def _leave(self) -> None:
        if self.begun:
            self.ray.shutdown()

    def has_room(self) -> bool:
        return True  # Ray holds the queue, so that a machine that joins is used at once

    def start(self, number: int, item: Any) -> None:
        self.jobs[self.call.remote(self.task, cloudpickle.dumps(item))] = number

    def wait(self, seconds: float) -> list[tuple[int, Any]]:
        if not self.jobs:
            time.sleep(seconds)
            return []
        ended, _ = self.ray.wait(list(self.jobs), num_returns=1, timeout=seconds)
        return [(self.jobs.pop(job), self._result(job)) for job in ended]

    def _result(self, job: Any) -> Any:
        try:
            return pickle.loads(self.ray.get(job))
        except self.ray.exceptions.RayTaskError as error:  # before or after the job itself
            return RuntimeError(f"a Ray worker cannot run the job: {error.cause!r}")
        except self.ray.exceptions.RayError as error:
            return Lost(f"{type(error).__name__}: {' '.join(str(error).split())[:150]}")


def _call(task: bytes, item: bytes) -> bytes:
    return attempt(pickle.loads(task), pickle.loads(item))
