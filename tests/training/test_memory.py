"""Memory that a step frees is there for the next step, without a way through the system."""

import subprocess
import sys

import pytest

STEPS = """
import resource, sys
from vae_granularity.training.job import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    [bytearray(2**20) for _ in range(16)]

if sys.argv[1] == "kept":
    assert keep_freed_memory()
step()
before = faults()
for _ in range(10):
    step()
print((faults() - before) / 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_a_step_that_takes_what_the_last_one_freed_faults_no_page():
    """16 MiB are 4 096 pages."""
    pages = {
        way: float(subprocess.check_output([sys.executable, "-c", STEPS, way]))
        for way in ("returned", "kept")
    }
    assert pages["returned"] > 1000
    assert pages["kept"] < 10
