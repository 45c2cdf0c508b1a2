"""Which sigma tells a collapse? Four candidates at 20 points of the map.

    python experiments/stability/typical.py > experiments/stability/typical.csv

Protocol as `map.py`. Of the last 50 steps, the mean of: the smallest sigma of a batch (of one image
in one dimension), and the smallest over dimensions of the geometric mean over the batch, the
median and the lower quartile.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import map as stability

from vae_granularity.models import gaussian_vae

POINTS = (
    *((("blocks", beta, gamma, inside)) for beta, gamma, inside in (
        (1, 1, 0), (1, 2, -0.5), (1, 2, -1.0), (1, 4, -0.5), (4, 2, -0.5), (4, 4, 0.0),
        (4, 4, -0.5), (4, 12, -0.5), (16, 2, -1.0), (64, 2, -1.0),
    )),
    *((("dsprites", beta, gamma, inside)) for beta, gamma, inside in (
        (1, 4, -0.5), (1, 12, -0.5), (4, 2, -1.0), (16, 2, 0.0), (16, 2, -0.5), (16, 4, -0.5),
        (64, 2, 0.0), (64, 2, -0.5), (64, 4, 0.0), (64, 4, -0.5),
    )),
)  # fmt: skip
seen: list[tuple[float, ...]] = []
_logged = gaussian_vae.GaussianVAE.logged


def logged(self: gaussian_vae.GaussianVAE, *arguments: object) -> dict[str, Tensor]:
    """What the model logs, with a look at the posteriors."""
    half = 0.5 * arguments[1].logvar.detach()
    quartile, median = half.quantile(0.25, dim=0), half.median(0).values
    candidates = (half, half.mean(0), median, quartile)
    seen.append(tuple(one.min().exp().item() for one in candidates))
    return _logged(self, *arguments)


def main() -> None:
    torch.set_num_threads(1)
    gaussian_vae.GaussianVAE.logged = logged
    print("dataset,beta,granularity,inside,elbo,smallest,geometric_mean,median,lower_quartile")
    for dataset in ("blocks", "dsprites"):
        images = stability.images(dataset)
        for point in (point for point in POINTS if point[0] == dataset):
            seen.clear()
            elbo = stability.train(images, *point).get("elbo", float("nan"))
            means = [f"{mean:.4f}" for mean in np.array(seen[-50:]).mean(0)]
            print(*point, f"{elbo:.1f}", *means, sep=",", flush=True)


if __name__ == "__main__":
    main()
