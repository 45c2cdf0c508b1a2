"""The ways to compute the losses of K members, by name."""

from __future__ import annotations

from vae_granularity.errors import choice
from vae_granularity.models.base import LatentModel
from vae_granularity.population.grouped import GroupedNetwork
from vae_granularity.population.member import Losses
from vae_granularity.population.streams import OnStreams
from vae_granularity.population.vectorised import Vectorised

BACKENDS: dict[str, type[Losses]] = {
    "vectorised": Vectorised,
    "grouped": GroupedNetwork,
    "streams": OnStreams,
}


def losses(name: str, model: LatentModel) -> Losses:
    """The backend of that name for members like `model`.

    Raises:
        ArgumentError: an unknown name, or a model that the backend cannot take.
    """
    return BACKENDS[choice("backend", name, tuple(BACKENDS))](model)
