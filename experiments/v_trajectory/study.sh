#!/bin/sh
# The 480 runs and their three reports: sh experiments/v_trajectory/study.sh [folder]; can be stopped and started again at any time.
set -e
RUNS="${1:-runs/v}"
export OMP_NUM_THREADS=1 MPLBACKEND=agg
PY="${PYTHON:-python}"
SHORT="trainer=quick trainer.accelerator=cpu trainer.max_steps=2000 logger=csv evaluation.every=2000 evaluation.figures=false metrics=[active_units,mig]"
BLOCKS="model=stcvae dataset=blocks dataset.num_blocks=6 dataset.block_dim=[1,1,2,2,3,3] dataset.kinds=[gaussian,gaussian,ring,spiral,sphere,torus] model.latent_dim=12 likelihood.sigma=0.3 $SHORT"
DSPRITES="model=stcvae dataset=dsprites dataset.source=rendered dataset.factor_sizes=[1,3,3,10,8,8] net=mlp model.latent_dim=12 $SHORT"
$PY -m vae_granularity.train -m $BLOCKS seed=0,1,2,3,4 model.beta=4 model.within_group_weight=0,null net.width=0.03125,0.0625,0.125,0.25,0.5,1 model.granularity=1,2,3,4,6 paths.output_dir="$RUNS/blocks_capacity"
$PY -m vae_granularity.train -m $DSPRITES seed=0,1,2 model.beta=4 model.within_group_weight=0 net.width=0.03125,0.0625,0.125,0.25,0.5 model.granularity=1,2,3,6 paths.output_dir="$RUNS/dsprites_capacity"
$PY -m vae_granularity.train -m $BLOCKS seed=0,1,2 model.beta=0.25,0.5,1,2,4,8,16,32 model.within_group_weight=0 net.width=0.5 model.granularity=1,2,3,4,6 paths.output_dir="$RUNS/blocks_beta"
for d in blocks_capacity dsprites_capacity blocks_beta; do $PY -m vae_granularity.analyze runs="$RUNS/$d" profile=true num_codes=1000; done
