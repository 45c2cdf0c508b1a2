#!/bin/sh
# Everything that needs a GPU, in pieces that are done once: sh experiments/gpu/run.sh [--rehearse]
# Results lie in experiments/gpu/results, and packed in $OUT where that is set. No piece begins that
# may not end within $LIMIT seconds (default 2400): the next call goes on. --rehearse: short, on a CPU.
set -u
cd "$(dirname "$0")/../.."
rehearse=no
[ "${1:-}" = --rehearse ] && rehearse=yes
work=${WORK:-/tmp/vae-granularity-gpu}
results=experiments/gpu/results
[ $rehearse = yes ] && results=$work/rehearsal
python=${PYTHON:-python3}
deadline=$(($(date +%s) + ${LIMIT:-2400}))
mkdir -p "$results" "$work"
export PYTHONPATH="$PWD" OMP_NUM_THREADS=1 MPLBACKEND=agg PYTHONUNBUFFERED=1

if [ -d .whl ] && [ ! -f "$work/installed" ]; then
    $python -m pip install --quiet --no-deps --no-index --target "$work/packages" .whl/*.whl &&
        touch "$work/installed"
fi
[ -d "$work/packages" ] && PYTHONPATH="$PYTHONPATH:$work/packages"
device=$($python -c "import torch
print(torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU')") || exit 1
if [ "$device" = CPU ] && [ $rehearse = no ]; then
    echo "no CUDA device here: no figure of a GPU is made without one (--rehearse runs on the CPU)"
    exit 1
fi
echo "$device" > "$results/device.txt"
failed=0

# piece NAME SECONDS COMMAND...: once; a failed piece is tried again by the next call.
piece() {
    name=$1 seconds=$2
    shift 2
    [ -f "$results/$name.done" ] && { echo "done before: $name"; return; }
    if [ $(($(date +%s) + seconds)) -gt $deadline ]; then
        echo "left for the next call: $name"
        failed=1
        return
    fi
    echo "== $name ($device), at most $seconds s"
    if timeout "$seconds" "$@" > "$results/$name.txt" 2>&1; then
        touch "$results/$name.done"
    else
        echo "failed: $name ($?), see $results/$name.txt"
        tail -n 5 "$results/$name.txt"
        failed=1
    fi
}

# sweep NAME OVERRIDES...: a slice of the study on the loss and capacity of a small network.
sweep() {
    name=$1
    shift
    piece "$name" 480 $python -m vae_granularity.train -m hydra/launcher=population \
        model=stcvae dataset=blocks net=mlp net.hidden=64 model.latent_dim=6 trainer=quick \
        logger=csv metrics=fast paths.output_dir="$work/$name" paths.cache_dir="$work/cache" "$@"
}

# The image's versions are not the tested ones: their warnings are no errors here.
test="$python -m pytest -q -W default tests/population/test_compiled.py tests/speed"
if [ $rehearse = yes ]; then
    piece tests 300 $test -m "not slow and not network and not launcher"
    piece population 240 $python experiments/benchmarks/population.py --short
    sweep study trainer.max_steps=50 model.granularity=1,2 trainer.accelerator=cpu
else
    piece tests 420 $test tests/data/test_official.py -m gpu
    piece step 420 $python experiments/benchmarks/step.py
    piece loss 300 $python experiments/benchmarks/loss.py
    piece population 480 $python experiments/benchmarks/population.py
    piece lightning_overhead 240 $python experiments/benchmarks/lightning_overhead.py
    sweep study trainer.max_steps=10000 model.beta=1,2,4,8 model.granularity=1,2,3,6 seed=0,1,2,3
    cp experiments/benchmarks/results/*_cuda.* "$results/" 2>/dev/null
fi
[ -n "${OUT:-}" ] && tar -czf "$OUT/gpu-results.tgz" -C "$(dirname "$results")" "$(basename "$results")"
exit $failed
