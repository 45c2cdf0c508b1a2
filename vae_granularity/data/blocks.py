"""Blocks: synthetic data whose true latent structure, and so the right granularity, is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
import torch

from vae_granularity.data.base import DataOptions, ImageDataModule
from vae_granularity.data.files.declaration import DatasetCard
from vae_granularity.data.files.store import Store, array_store
from vae_granularity.errors import ArgumentError, integer
from vae_granularity.partition import LatentPartition

# A sampler of a kind draws (count, dim) coordinates, and for each state the cell (count,) of the
# support that it lies in, as an integer code.
Draw = tuple[np.ndarray, np.ndarray]
Sampler = Callable[[int, int, np.random.Generator], Draw]

ARCS = 8  # cells along a curve
CORRELATION = 0.8  # of any two coordinates of the Gaussian block
LOGIT_SCALE = 2.0  # deviation of the logits of all pixels: pictures use most of the grey levels
KNEE = 0.5  # width of the bend of a layer: coordinates have variance near 1


class Blocks(ImageDataModule):
    """K independent blocks of dependent coordinates, mixed by a fixed smooth invertible map.

    Observations are vectors of variance 1, or grey pictures whose pixels are sigmoids of the mixed
    coordinates. Each block is a label: the cell that its state lies in (see `KINDS`). There
    is no grid of factors. Beside what every data module does, `coordinates` are the true ones of
    given indices, and `true_blocks` says which of them belong together.

    Args:
        num_blocks: K.
        block_dim: coordinates n of a block, one number or one for each block.
        kinds: name of the distribution, one or one for each block: a key of `KINDS`.
        noise: standard deviation of the noise on the true coordinates, whose own is 1.
        num_samples: how many are drawn.
        observed_dim: length O of the observed vectors, at least the number D of coordinates; None
            is D.
        image_size: side of square pictures to observe in place of vectors.
        mixing_layers: non-linear layers of the map; 0 is a rotation.
        data_seed: of the draw and of the map; `seed` (of the split and the order) leaves the data
            what they are.
        options: as for `ImageDataModule`; source is auto or synthetic, the only source there is,
            device cpu or cuda; data_dir and cache_dir are not used, nothing is read or kept.

    Raises:
        ArgumentError: an argument outside its range.
    """

    card = DatasetCard(
        name="blocks",
        image_shape=(6,),
        files=(),
        licence="none needed: generated",
        citation="vae-granularity, dataset=blocks",
        homepage="",
    )

    def __init__(
        self,
        *,
        num_blocks: int = 3,
        block_dim: int | Sequence[int] = 2,
        kinds: str | Sequence[str] = "ring",
        noise: float = 0.05,
        num_samples: int = 20_000,
        observed_dim: int | None = None,
        image_size: int | None = None,
        mixing_layers: int = 2,
        data_seed: int = 0,
        **options: Unpack[DataOptions],
    ) -> None:
        source = options.pop("source", "auto")
        if source not in ("auto", "synthetic"):
            raise ArgumentError(
                "dataset.source must be auto or synthetic for blocks, which are generated, "
                f"got {source!r}"
            )
        device = options.get("device", "cpu")
        if device not in ("cpu", "cuda"):
            raise ArgumentError(
                "dataset.device must be cpu or cuda for blocks, which are generated in memory, "
                f"got {device!r}"
            )
        super().__init__(**options)
        self.source = "synthetic"
        integer("dataset.num_blocks", num_blocks, 1)
        self.num_samples = integer("dataset.num_samples", num_samples, 2)
        self.mixing_layers = integer("dataset.mixing_layers", mixing_layers, 0)
        self.data_seed = integer("dataset.data_seed", data_seed, 0)
        if not 0 <= noise < float("inf"):
            raise ArgumentError(f"dataset.noise must be a finite number >= 0, got {noise}")
        self.noise = noise
        self.kinds = _one_each("kinds", kinds, num_blocks)
        self.partition = LatentPartition.from_sizes(_one_each("block_dim", block_dim, num_blocks))
        for kind, size in zip(self.kinds, self.partition.sizes, strict=True):
            check_kind(kind, size)
        dim = self.partition.latent_dim
        if image_size is not None:
            if observed_dim is not None:
                raise ArgumentError(
                    f"dataset.observed_dim must be null where image_size={image_size} is given, "
                    f"got {observed_dim}"
                )
            integer("dataset.image_size", image_size, int(np.ceil(np.sqrt(dim + 1))))
        elif observed_dim is not None:
            integer("dataset.observed_dim", observed_dim, dim)
        self.observed_dim = observed_dim or dim
        self.image_size = image_size
        self.card = replace(
            self.card,
            image_shape=(1, image_size, image_size) if image_size else (self.observed_dim,),
            label_names=tuple(f"block{k}" for k in range(num_blocks)),
            max_value=255 if image_size else 1,
            values="unit" if image_size else "real",
        )

    @property
    def true_blocks(self) -> tuple[tuple[int, ...], ...]:
        """Columns of `coordinates` of each block."""
        return self.partition.groups

    @property
    def parts(self) -> dict[str, int]:
        """All samples are for training: there is no official split."""
        return {"train": self.num_samples}

    @property
    def provenance(self) -> dict[str, Any]:
        """Provenance of every data set, and the parameters of the generator."""
        return super().provenance | {
            "kinds": list(self.kinds),
            "block_dims": list(self.partition.sizes),
            "noise": self.noise,
            "mixing_layers": self.mixing_layers,
            "data_seed": self.data_seed,
        }

    def resolve(self) -> str:
        """Return `synthetic`, the only source."""
        self.check_dependence()
        return self.source

    def open_store(self) -> Store:
        """Draw the blocks and mix them."""
        kinds = list(zip(self.kinds, self.partition.sizes, strict=True))
        seeds = np.random.SeedSequence(self.data_seed).spawn(len(kinds) + 1)
        mixing_rng, *rngs = map(np.random.default_rng, seeds)
        blocks = [
            draw_block(kind, size, self.num_samples, self.noise, rng)
            for (kind, size), rng in zip(kinds, rngs, strict=True)
        ]
        coordinates = np.concatenate([points for points, _ in blocks], axis=1)
        self._coordinates = coordinates.astype(np.float32)
        self._labels = np.stack([cells for _, cells in blocks], axis=1)
        dim = self.partition.latent_dim
        if self.image_size is None:
            embedding = random_orthonormal(self.observed_dim, dim, mixing_rng)
        else:
            embedding = smooth_orthonormal(self.image_size, dim, mixing_rng)
        self.mixing = random_mixing(dim, self.mixing_layers, embedding, mixing_rng)
        mixed = self.mixing.forward(coordinates)
        if self.image_size is None:
            observed = (mixed / mixed.std()).astype(np.float32)
        else:
            pixels = 1.0 / (1.0 + np.exp(-mixed * (LOGIT_SCALE / mixed.std())))
            observed = np.rint(255.0 * pixels).astype(np.uint8).reshape(-1, *self.image_shape)
        return array_store(torch.from_numpy(observed).to(self.device))

    def coordinates(self, indices: torch.Tensor | np.ndarray) -> np.ndarray:
        """Return the true coordinates (n, D) float32 of the indices (n,), noise included."""
        assert self._store is not None, "setup() comes first"
        return self._coordinates[torch.as_tensor(indices).cpu().numpy()]


def _one_each(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """Return a value for each block; a single one is repeated."""
    values = (value,) * count if isinstance(value, (str, int)) else tuple(value)
    if len(values) != count:
        raise ArgumentError(
            f"dataset.{name} must be one value or one for each of num_blocks={count}, "
            f"got {list(values)}"
        )
    return values


@dataclass(frozen=True)
class MixingMap:
    """Rotations alternating with x + bend * (sqrt(x^2 + knee^2) - knee), then an isometry.

    The bend is a smooth leaky rectifier with slopes from 1 - |bend| to 1 + |bend|: it neither
    flattens nor explodes, whatever the number of layers, and its inverse is the root of a
    quadratic.
    """

    rotations: np.ndarray  # (L, D, D) orthogonal
    bends: np.ndarray  # (L, D) in (-1, 1); 0 leaves a coordinate as it is
    embedding: np.ndarray  # (O, D) with orthonormal columns

    def forward(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the observations (n, O) of the true coordinates (n, D)."""
        hidden = coordinates
        for rotation, bend in zip(self.rotations, self.bends, strict=True):
            turned = hidden @ rotation.T
            hidden = turned + bend * (np.sqrt(turned**2 + KNEE**2) - KNEE)
        return hidden @ self.embedding.T

    def inverse(self, observations: np.ndarray) -> np.ndarray:
        """Return the coordinates (n, D) of observations (n, O), projected onto the map's range."""
        hidden = observations @ self.embedding
        for rotation, bend in zip(self.rotations[::-1], self.bends[::-1], strict=True):
            raised = hidden + bend * KNEE
            turned = (raised - bend * np.sqrt(raised**2 + KNEE**2 * (1 - bend**2))) / (1 - bend**2)
            hidden = turned @ rotation
        return hidden


def random_mixing(
    dim: int, layers: int, embedding: np.ndarray, rng: np.random.Generator
) -> MixingMap:
    """Return a map of `dim` coordinates with bends of random sign and size uniform in [0.5, 0.8].

    Two layers leave about a sixth of the variance of the observations beyond a linear map of
    Gaussian coordinates; none leave the `embedding` (O, D) alone, which is linear.

    >>> rng = np.random.default_rng(0)
    >>> mixing = random_mixing(2, 2, random_orthonormal(3, 2, rng), rng)
    >>> x = np.ones((1, 2))
    >>> mixing.forward(x).shape, mixing.inverse(mixing.forward(x)).round(6).tolist()
    ((1, 3), [[1.0, 1.0]])
    """
    rotations = [random_orthonormal(dim, dim, rng) for _ in range(layers)]
    bends = rng.choice([-1.0, 1.0], (layers, dim)) * rng.uniform(0.5, 0.8, (layers, dim))
    return MixingMap(np.array(rotations).reshape(layers, dim, dim), bends, embedding)


def random_orthonormal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Return (rows, columns) with orthonormal columns, uniformly distributed (Mezzadri, 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((rows, columns)))
    return q * np.sign(np.diag(r))


def smooth_orthonormal(side: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Return (side * side, columns), orthonormal: random mixtures of the lowest 2-D cosines."""
    per_axis = int(np.ceil(np.sqrt(columns + 1)))
    frequency = np.arange(per_axis)
    centre = (np.arange(side) + 0.5) / side
    cosine = np.cos(np.pi * centre[:, None] * frequency)
    cosine /= np.linalg.norm(cosine, axis=0)
    products = np.einsum("ia,jb->ijab", cosine, cosine).reshape(side * side, -1)
    order = np.argsort(np.add.outer(frequency, frequency).ravel(), kind="stable")
    # Without the constant: pictures keep their mean.
    basis = products[:, order[1 : columns + 1]]
    return basis @ random_orthonormal(columns, columns, rng)


def ring(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Draw from the unit circle; the cell is one of 8 arcs."""
    turn = rng.random(count)
    return _circle(turn), _arc(turn, ARCS)


def moons(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Draw from two interleaved half circles; the cell is one of 4 arcs of either."""
    lower = rng.integers(0, 2, count)
    turn = rng.random(count)
    angle = np.pi * turn
    upper_points = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.where(lower[:, None] == 1, [1.0, 0.5] - upper_points, upper_points)
    return points, 4 * lower + _arc(turn, 4)


def spiral(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Draw from one and a half turns of an Archimedean spiral; the cell is one of 8 arcs."""
    # The root makes the density along the curve nearly even.
    radius = np.sqrt(rng.random(count))
    return radius[:, None] * _circle(1.5 * radius), _arc(radius**2, ARCS)


def checkerboard(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Draw from the 8 dark squares of a board of 4 x 4; the cell is the square."""
    cell = rng.integers(0, 8, count)
    row = cell // 2
    column = 2 * (cell % 2) + row % 2
    return np.stack([column, row], axis=1) + rng.random((count, 2)), cell


def sphere(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Draw from the unit sphere in `dim` dimensions; the cell is an octant of three of them."""
    points = _on_sphere(count, dim, rng)
    return points, _octant(points)


def torus(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Draw from a tube of radius 1 around a circle of radius 2; its section is a sphere of dim - 2.

    The cell is one of 4 arcs of the circle, on the outer or the inner side of the tube.
    """
    turn = rng.random(count)
    section = _on_sphere(count, dim - 1, rng)
    points = np.concatenate([(2.0 + section[:, :1]) * _circle(turn), section[:, 1:]], axis=1)
    return points, 2 * _arc(turn, 4) + (section[:, 0] > 0)


def gaussian(count: int, dim: int, rng: np.random.Generator) -> Draw:
    """Draw equally correlated Gaussians; the cell is the octant of three whitened coordinates."""
    white = rng.standard_normal((count, dim))
    covariance = np.full((dim, dim), CORRELATION) + (1.0 - CORRELATION) * np.eye(dim)
    return white @ np.linalg.cholesky(covariance).T, _octant(white)


# kind → (sampler, smallest dim, largest dim or None)
KINDS: dict[str, tuple[Sampler, int, int | None]] = {
    "ring": (ring, 2, 2),
    "moons": (moons, 2, 2),
    "spiral": (spiral, 2, 2),
    "checkerboard": (checkerboard, 2, 2),
    "sphere": (sphere, 2, None),
    "torus": (torus, 3, None),
    "gaussian": (gaussian, 1, None),
}


def check_kind(kind: str, dim: int) -> None:
    """Check that a kind of block exists in `dim` dimensions.

    Raises:
        ArgumentError: no such kind, or not in so many dimensions.
    """
    if kind not in KINDS:
        raise ArgumentError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    _, low, high = KINDS[kind]
    if dim < low or (high is not None and dim > high):
        accepted = f"{low}" if low == high else f">= {low}"
        raise ArgumentError(f"block_dim must be {accepted} for kind={kind}, got {dim}")


def draw_block(kind: str, dim: int, count: int, noise: float, rng: np.random.Generator) -> Draw:
    """Draw (count, dim) coordinates of mean 0 and variance 1, and the (count,) int64 cells.

    >>> points, cell = draw_block("ring", 2, 100, noise=0.0, rng=np.random.default_rng(0))
    >>> points.shape, points.std(0).round(6).tolist(), cell[:3].tolist()
    ((100, 2), [1.0, 1.0], [5, 2, 0])

    `noise` is the standard deviation of the Gaussian noise added to each coordinate, in units of
    the noiseless one's. The state is drawn first, so that the noise does not change it.
    """
    check_kind(kind, dim)
    points, cell = KINDS[kind][0](count, dim, rng)
    points = (points - points.mean(0)) / points.std(0) + noise * rng.standard_normal(points.shape)
    return (points - points.mean(0)) / points.std(0), cell.astype(np.int64)


def _circle(turn: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(2.0 * np.pi * turn), np.sin(2.0 * np.pi * turn)], axis=1)


def _on_sphere(count: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    points = rng.standard_normal((count, dim))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _arc(turn: np.ndarray, arcs: int) -> np.ndarray:
    return np.minimum((turn * arcs).astype(np.int64), arcs - 1)


def _octant(points: np.ndarray) -> np.ndarray:
    signs = points[:, :3] > 0
    return signs @ (1 << np.arange(signs.shape[1]))
