#!/bin/bash
# Twelve runs of 1 500 steps: about eight minutes of one thread. RUNS is a folder of your choice.
set -e
RUNS=${1:-runs/dependent_factors}
python -m vae_granularity.train -m model=stcvae dataset=shapes3d dataset.source=rendered dataset.image_size=32 \
  net.width=0.5 model.latent_dim=6 model.beta=4 model.granularity=1,2 seed=0,1,2 \
  'dataset.correlation=null,[{factors:[floor_hue,wall_hue],sigma:0.2}]' \
  trainer=quick trainer.max_steps=1500 optimizer=adam_fast evaluation=quick evaluation.every=1500 evaluation.figures=false \
  'metrics=mig' logger=csv paths.output_dir="$RUNS"
python experiments/dependent_factors/overlap.py "$RUNS" experiments/dependent_factors/overlap.csv
