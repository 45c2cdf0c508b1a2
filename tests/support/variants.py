"""Every model, and what can change while it trains: the cases that a resumed run has to get
right.
"""

from __future__ import annotations

from tiny import options

SMALLER = {"factorvae": ("model.discriminator_units=32", "model.discriminator_layers=2")}
MODELS = {name: (f"model={name}", *SMALLER.get(name, ())) for name in options("model")}
MOVING = {
    "schedules": (
        "model=stcvae",
        "model.beta={schedule: cyclic, start: 0, end: 4, period: 13}",
        "model.within_group_weight={schedule: cosine, start: 0, end: -1, steps: 40}",
        "model.granularity={schedule: piecewise, levels: [6, 3, 1], at: [20, 35]}",
        "optimizer.lr={schedule: cosine, start: 1e-3, end: 0, steps: 40}",
    ),
    "adaptive": (
        "model=stcvae",
        "model.partition={schedule: adaptive, every: 9, threshold: 0.0, free: true}",
    ),
    "factorvae warm-up": (
        "model=factorvae",
        *SMALLER["factorvae"],
        "model.discriminator_warmup=32",
        "model.granularity=2",
    ),
}
VARIANTS = MODELS | MOVING
