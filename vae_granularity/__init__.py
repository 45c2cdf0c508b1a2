"""Experiments with disentangled variational autoencoders whose latent dimensions come in groups.

>>> from vae_granularity import LatentPartition
>>> print(LatentPartition.from_granularity(latent_dim=5, granularity=2).labels)
('z0-z1', 'z2-z3', 'z4')
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vae_granularity.partition import LatentPartition

if TYPE_CHECKING:
    from vae_granularity import metrics
    from vae_granularity.data.blocks import Blocks
    from vae_granularity.data.cars3d import Cars3D
    from vae_granularity.data.celeba import CelebA
    from vae_granularity.data.dsprites import DSprites
    from vae_granularity.data.images import Images
    from vae_granularity.data.mnist import MNIST
    from vae_granularity.data.mpi3d import MPI3D
    from vae_granularity.data.shapes3d import Shapes3D
    from vae_granularity.data.smallnorb import SmallNORB
    from vae_granularity.models.annealedvae import AnnealedVAE
    from vae_granularity.models.betatcvae import BetaTCVAE
    from vae_granularity.models.betavae import BetaVAE
    from vae_granularity.models.controlvae import ControlVAE
    from vae_granularity.models.dipvae_i import DIPVAEI
    from vae_granularity.models.dipvae_ii import DIPVAEII
    from vae_granularity.models.factorvae import FactorVAE
    from vae_granularity.models.infovae import InfoVAE
    from vae_granularity.models.lambdabetavae import LambdaBetaVAE
    from vae_granularity.models.pdisvae import PDisVAE
    from vae_granularity.models.qlae import QLAE
    from vae_granularity.models.stcvae import BetaSTCVAE
    from vae_granularity.models.vae import VAE
    from vae_granularity.runs.reading import load_run
    from vae_granularity.runs.table import read_runs
    from vae_granularity.training.config import compose
    from vae_granularity.training.run import train as train_run

__version__ = "0.1.0"

# Name and module. Torch, Lightning and pandas take seconds to load: only who asks for them pays.
LAZY = {
    "AnnealedVAE": "models.annealedvae",
    "BetaSTCVAE": "models.stcvae",
    "BetaTCVAE": "models.betatcvae",
    "BetaVAE": "models.betavae",
    "Blocks": "data.blocks",
    "Cars3D": "data.cars3d",
    "CelebA": "data.celeba",
    "ControlVAE": "models.controlvae",
    "DIPVAEI": "models.dipvae_i",
    "DIPVAEII": "models.dipvae_ii",
    "DSprites": "data.dsprites",
    "FactorVAE": "models.factorvae",
    "Images": "data.images",
    "InfoVAE": "models.infovae",
    "LambdaBetaVAE": "models.lambdabetavae",
    "MNIST": "data.mnist",
    "MPI3D": "data.mpi3d",
    "PDisVAE": "models.pdisvae",
    "QLAE": "models.qlae",
    "Shapes3D": "data.shapes3d",
    "SmallNORB": "data.smallnorb",
    "VAE": "models.vae",
    "compose": "training.config",
    "load_run": "runs.reading",
    "read_runs": "runs.table",
}
__all__ = [
    "DIPVAEI",
    "DIPVAEII",
    "MNIST",
    "MPI3D",
    "QLAE",
    "VAE",
    "AnnealedVAE",
    "BetaSTCVAE",
    "BetaTCVAE",
    "BetaVAE",
    "Blocks",
    "Cars3D",
    "CelebA",
    "ControlVAE",
    "DSprites",
    "FactorVAE",
    "Images",
    "InfoVAE",
    "LambdaBetaVAE",
    "LatentPartition",
    "PDisVAE",
    "Shapes3D",
    "SmallNORB",
    "compose",
    "load_run",
    "metrics",
    "read_runs",
    "train_run",
]


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return import_module("vae_granularity.metrics")
    # `train` is the module of the command.
    if name == "train_run":
        return import_module("vae_granularity.training.run").train
    if name in LAZY:
        return getattr(import_module(f"vae_granularity.{LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
