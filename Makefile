PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.setup-done
# A run on a small machine: one thread a process is what the tests' figures hold for.
TEST_ENV := OMP_NUM_THREADS=1 MPLBACKEND=agg

.PHONY: help setup train test test-all check docs tutorials bench study study-figures bench-gpu browser clean

help:  ## what there is to do
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(SETUP)  ## the tested environment in .venv

$(SETUP): pyproject.toml constraints.txt examples/my_study/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --no-deps -e examples/my_study
	touch $(SETUP)

train: setup  ## the main job: beta-STCVAE on rendered Shapes3D, a few minutes, no network
	OMP_NUM_THREADS=2 $(BIN)/python -m vae_granularity.train experiment=main_job

check: setup  ## style, types, layering
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

test: check  ## checks and the test suite, under seven minutes on two cores
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not gpu and not network and not launcher"

test-all: check  ## with the long tests
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile

docs: setup  ## the site of the documentation, in build/docs/site; a warning or a dead link fails
	$(BIN)/python docs/tools/build.py

tutorials: setup  ## run the notebooks again, at full length, with their outputs (a few minutes)
	$(TEST_ENV) $(BIN)/python docs/tools/tutorials.py

bench: setup  ## benchmarks on one CPU thread, under ten minutes on a quiet machine; results in experiments/benchmarks/results
	for name in loss step data_path lightning_overhead sweep_overhead; do OMP_NUM_THREADS=1 $(BIN)/python experiments/benchmarks/$$name.py || exit 1; done

study: setup  ## start or continue the runs of experiments/study: SCALE=quick | workstation | gpu
	OMP_NUM_THREADS=1 $(BIN)/python experiments/study/study.py run $(or $(SCALE),quick)

study-figures: setup  ## its tables and figures from the runs that are done
	OMP_NUM_THREADS=1 $(BIN)/python experiments/study/study.py figures $(or $(SCALE),quick)

bench-gpu: setup  ## tests, benchmarks and a slice of a study on a GPU, piece by piece, at most 40 minutes
	PYTHON=$(abspath $(BIN))/python sh experiments/gpu/run.sh

browser:  ## Chromium for tests/browser, which are skipped without one (Debian, as root)
	command -v chromium || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium)

clean:  ## remove the environment and what tools left behind (runs and data stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
