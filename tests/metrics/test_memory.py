"""Posterior entropies hold a few tables at a time, whatever the number of posteriors and
samples.
"""

import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")
SCRIPT = """
import sys, numpy as np
from vae_granularity import metrics

def peak():
    lines = open("/proc/self/status")
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

rows, samples = int(sys.argv[1]), int(sys.argv[2])
mu = np.random.default_rng(0).normal(size=(rows, 10))
z, logvar, factors = mu + 0.1, np.full_like(mu, -4.6), np.arange(rows)[:, None] % 10
before = peak()
metrics.mig_entropy(z, mu, logvar, factors, num_samples=samples)
print((peak() - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("rows, samples", [(50_000, 50), (50_000, 800), (400_000, 50)])
def test_peak_memory_of_entropies(rows, samples):
    inputs = rows * (3 * 10 + 1) * 8 / 2**20
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(rows), str(samples)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(run.stdout) < 100 + inputs  # MB: tables, and at most one more copy of the inputs
