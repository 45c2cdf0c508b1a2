#!/bin/sh
# What the GPU machine's image lacks, as wheels in .whl (git ignores it): sh experiments/gpu/wheels.sh
# On that machine nothing can be fetched; torch, lightning, scikit-learn and the rest are its own.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
mkdir -p .whl
$python -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 -d .whl -c constraints.txt \
    hydra-core omegaconf orjson plotly pydantic pydantic-core annotated-types typing-inspection
$python -m pip wheel --quiet --no-deps -w .whl antlr4-python3-runtime==4.9.3 .
ls .whl
