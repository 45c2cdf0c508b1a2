"""Prints the glossary's table of what pure noise and a perfect code score."""

import numpy as np

from vae_granularity import metrics

SIZES, DIM, ROWS = (3, 6, 40, 32, 32), 10, 10_000


def main() -> None:
    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(size, size=ROWS) for size in SIZES], axis=1)
    noise = rng.normal(size=(ROWS, DIM))
    standard = (factors - factors.mean(0)) / factors.std(0)
    blurred = standard + 0.05 * rng.normal(size=factors.shape)
    perfect = np.concatenate([blurred, noise[:, len(SIZES) :]], axis=1)
    found = [scores(codes, factors) for codes in (noise, perfect)]
    for name in found[0]:
        print(f"| `{name}` | {found[0][name]:.2f} | {found[1][name]:.2f} |")


def scores(codes: np.ndarray, factors: np.ndarray) -> dict[str, float | None]:
    part, test = slice(ROWS * 4 // 5), slice(ROWS * 4 // 5, None)
    fitted = {"test": (codes[test], factors[test])}
    results = [
        metrics.mig(codes, factors),
        metrics.sap(codes[part], factors[part], **fitted),
        metrics.infomec(codes, factors),
        metrics.modularity(codes, factors),
        metrics.modularity_knn(codes, factors),
        metrics.irs(codes, factors),
        metrics.explicitness(codes[part], factors[part], **fitted),
        metrics.dci(codes[part], factors[part], regressor="lightgbm", **fitted),
    ]
    return {name: value for result in results for name, value in result.scores.items()}


if __name__ == "__main__":
    main()
