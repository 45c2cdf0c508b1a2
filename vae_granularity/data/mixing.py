"""A fixed random map from true coordinates to observations: smooth, and invertible in closed
form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KNEE = 0.5  # width of the bend of a layer: coordinates have variance near 1


@dataclass(frozen=True)
class MixingMap:
    """Rotations alternating with a bend of each coordinate, x + bend * (sqrt(x^2 + knee^2) - knee),
    then an isometric embedding.

    The bend is a smooth leaky rectifier with slopes from 1 - |bend| to 1 + |bend|: it neither
    flattens nor explodes, whatever the number of layers, and its inverse is the root of a
    quadratic.

    Args:
        rotations: (L, D, D) orthogonal.
        bends: (L, D) in (-1, 1); 0 leaves a coordinate as it is.
        embedding: (O, D) with orthonormal columns.
    """

    rotations: np.ndarray
    bends: np.ndarray
    embedding: np.ndarray

    def forward(self, coordinates: np.ndarray) -> np.ndarray:
        """Observations (n, O) of the true coordinates (n, D)."""
        hidden = coordinates
        for rotation, bend in zip(self.rotations, self.bends, strict=True):
            turned = hidden @ rotation.T
            hidden = turned + bend * (np.sqrt(turned**2 + KNEE**2) - KNEE)
        return hidden @ self.embedding.T

    def inverse(self, observations: np.ndarray) -> np.ndarray:
        """True coordinates (n, D) of the observations (n, O); what lies outside the map's range is
        projected onto it first.
        """
        hidden = observations @ self.embedding
        for rotation, bend in zip(self.rotations[::-1], self.bends[::-1], strict=True):
            raised = hidden + bend * KNEE
            turned = (raised - bend * np.sqrt(raised**2 + KNEE**2 * (1 - bend**2))) / (1 - bend**2)
            hidden = turned @ rotation
        return hidden


def random_mixing(
    dim: int, layers: int, embedding: np.ndarray, rng: np.random.Generator
) -> MixingMap:
    """A map of `dim` coordinates with bends of random sign and size uniform in [0.5, 0.8].

    Two layers leave about a sixth of the variance of the observations beyond a linear map of
    Gaussian coordinates.

    Args:
        dim: D.
        layers: L; 0 leaves the embedding alone, a linear map.
        embedding: (O, D) with orthonormal columns.
        rng: generator.
    """
    rotations = np.array([random_orthonormal(dim, dim, rng) for _ in range(layers)]).reshape(
        layers, dim, dim
    )
    bends = rng.choice([-1.0, 1.0], (layers, dim)) * rng.uniform(0.5, 0.8, (layers, dim))
    return MixingMap(rotations, bends, embedding)


def random_orthonormal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, columns) with orthonormal columns, uniformly distributed (Mezzadri, 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    return q * np.sign(np.diag(r))


def smooth_orthonormal(side: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """(side * side, columns): random mixtures of the 2-D cosines of lowest frequency, orthonormal
    columns, for pictures that are smooth.
    """
    per_axis = int(np.ceil(np.sqrt(columns + 1)))
    frequency, centre = np.arange(per_axis), (np.arange(side) + 0.5) / side
    cosine = np.cos(np.pi * centre[:, None] * frequency)
    cosine /= np.linalg.norm(cosine, axis=0)
    products = np.einsum("ia,jb->ijab", cosine, cosine).reshape(side * side, -1)
    order = np.argsort(np.add.outer(frequency, frequency).ravel(), kind="stable")
    basis = products[
        :, order[1 : columns + 1]
    ]  # without the constant: every picture keeps its mean grey
    return basis @ random_orthonormal(columns, columns, rng)
