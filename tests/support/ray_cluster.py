"""A Ray cluster of two nodes on this machine, on its loopback interface alone.

It is started by a program of its own (this file), so that no test imports Ray: the commands under
test are forks of the test's process, which Ray's threads would not survive.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from vae_granularity.sweeps import ray_pool

ATTEMPTS = 4
NODE = {"num_cpus": 2, "num_gpus": 1, "object_store_memory": 80 * 2**20}  # no GPU need be there


@dataclass(frozen=True)
class TwoNodes:
    """Where the cluster is, and the processes that are its nodes."""

    address: str
    raylets: tuple[int, int]

    def workers(self, node: int) -> list[int]:
        """Process ids of what a node has started."""
        from commands import children  # the program below does without its imports

        return children(self.raylets[node])

    def kill_second(self) -> None:
        """The second node is gone at once with all its processes, as a machine without power."""
        for pid in (self.raylets[1], *self.workers(1)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Each has two cores and one GPU, as far as Ray knows; the environment holds `settings`."""
    program = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdin is not None
    assert program.stdout is not None
    try:
        said = json.loads(program.stdout.readline())
        yield TwoNodes(said["address"], tuple(said["raylets"]))
    finally:
        program.stdin.close()  # it ends the cluster
        program.wait(60)
        program.stdout.close()


def settings() -> dict[str, str]:
    """Environment variables of the cluster and of those that join it."""
    return ray_pool.ENVIRONMENT | ray_pool.LOCAL_CLUSTER | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


def started() -> Any:
    """A cluster; Ray gives each node 30 s to start, which a busy machine may not keep at once."""
    from ray.cluster_utils import Cluster

    for attempt in range(ATTEMPTS):
        cluster = Cluster()
        try:
            cluster.add_node(**NODE, include_dashboard=False)
            cluster.add_node(**NODE)
            return cluster
        except Exception as error:
            if "timed out during startup" not in str(error) or attempt == ATTEMPTS - 1:
                raise
            cluster.shutdown()
    raise AssertionError


def main() -> None:
    """Print address and processes, then wait until standard input is closed."""
    cluster = started()
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
    print(json.dumps({"address": cluster.address, "raylets": raylets}), flush=True)
    sys.stdin.read()
    with suppress(AssertionError):  # a node that was killed is not there to be ended
        cluster.shutdown()


if __name__ == "__main__":
    main()
