#!/bin/sh
# Six runs, one after the other, on one thread; started again it continues. Then: python experiments/precision/compare.py FOLDER
# usage: experiments/precision/run.sh FOLDER
export OMP_NUM_THREADS=1
for seed in 0 1 2; do
  for precision in 32-true bf16-mixed; do
    python -m vae_granularity.train model=stcvae dataset=dsprites dataset.source=rendered net=conv64 net.width=0.25 \
      trainer=quick trainer.accelerator=cpu trainer.precision=$precision seed=$seed evaluation.every=2000 evaluation.null_draws=0 \
      evaluation.subsamples=0 evaluation.figures=false logger=csv paths.output_dir="$1" || exit 1
  done
done
