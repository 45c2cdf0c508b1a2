#!/bin/sh
# 108 runs of 10 000 steps on blocks, with a wider grid: sh experiments/v_trajectory/long.sh [folder]; two runs at a time.
set -e
RUNS="${1:-runs/v}"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
PY="${PYTHON:-python}"
$PY -m vae_granularity.train -m model=stcvae dataset=blocks dataset.num_blocks=6 "dataset.block_dim=[1,1,2,2,3,3]" "dataset.kinds=[gaussian,gaussian,ring,spiral,sphere,torus]" model.latent_dim=12 likelihood.sigma=0.3 trainer=quick trainer.accelerator=cpu trainer.max_steps=10000 logger=csv evaluation.every=10000 evaluation.figures=false "metrics=[active_units,mig]" seed=0,1,2 model.beta=4 model.within_group_weight=0 net.width=0.0625,0.125,0.25,0.5,1,2 model.granularity=1,2,3,4,6,12 paths.output_dir="$RUNS/blocks_long" hydra/launcher=cores hydra.launcher.n_jobs=2
$PY -m vae_granularity.analyze runs="$RUNS/blocks_long"
