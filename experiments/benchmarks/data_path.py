"""Cost of the data path: official batches in memory, and rendered ones, against a DataLoader and a
training step.

    python experiments/benchmarks/data_path.py [--memory]

One thread, B=64. Official files are small grids of random pixels in the official formats (and real
MNIST where ../shared/data has it), read through `source=official`. The DataLoader holds the same
uint8 images (H, W, C) in memory, shuffles, and converts each item to a float tensor (C, H, W) in
[0, 1]. All parties of a dataset run interleaved: 20 rounds of 10 batches each, medians of the
rounds. For rendered images `first` is the mean of the ten very first batches, and `opening` is what
comes before them with an empty cache: Shapes3D traces its geometries, and small grids (Cars3D) draw
all their pictures into the cache, once for all runs of a machine (later runs read it). All times
are processor times, so that a busy machine does not decide. The step is forward, backward and
update of model=stcvae net=conv64, median of 30. `--memory` writes an official dSprites file of the
full 737 280 images and reports what reading it adds to the peak of resident memory; without it,
what the last such run found stays in the table. Results go to results/data_path.json and .md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
import torch
from machine import RESULTS, about, heading_of
from torch.utils.data import DataLoader, Dataset

from vae_granularity.data.base import ImageDataModule
from vae_granularity.runs.build import build
from vae_granularity.training.config import compose

HERE = Path(__file__).parent
MNIST_DIR = HERE.parents[2] / "shared" / "data" / "mnist"
SIZES = {
    "dsprites": (1, 3, 6, 40, 8, 8),
    "shapes3d": (10, 10, 10, 4, 2, 3),
    "mpi3d": (6, 6, 2, 3, 3, 4, 5),
}
ROUNDS, BATCHES, STEPS, BATCH_SIZE = 20, 10, 30, 64
TIMES = ("batch, ms", "DataLoader, ms", "times faster", "opening, s", "first, ms", "step, ms")
COLUMNS = ("dataset", "source", *TIMES, "batch / step", "first / step")


class FloatItems(Dataset):
    """The usual way: uint8 images in memory, each item converted to float."""

    def __init__(self, images: np.ndarray, max_value: int) -> None:
        self.images, self.max_value = images, max_value

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.images[index]).permute(2, 0, 1).float() / self.max_value


def write_official(name: str, folder: Path) -> None:
    """A grid of `SIZES` with random pixels in the official format."""
    count, rng = int(np.prod(SIZES[name])), np.random.default_rng(0)
    if name == "dsprites":
        np.savez(
            folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
            imgs=rng.integers(0, 2, (count, 64, 64), dtype=np.uint8),
        )
    elif name == "shapes3d":
        with h5py.File(folder / "3dshapes.h5", "w") as file:
            file["images"] = rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    else:
        np.savez(
            folder / "mpi3d_toy.npz",
            images=rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8),
        )


def open_data(name: str, folder: Path, source: str) -> tuple[Any, ImageDataModule, float]:
    """Model and data of `model=stcvae net=conv64 dataset=NAME`, ready, and the seconds that opening
    the data took.
    """
    overrides = [
        f"dataset={name}",
        f"dataset.source={source}",
        f"dataset.data_dir={folder}",
        f"paths.cache_dir={folder}/cache",
    ]
    if name in SIZES and source == "official":
        overrides.append(f"dataset.factor_sizes={list(SIZES[name])}")
    model, data = build(compose("train", [*overrides, "model=stcvae", "net=conv64", "logger=none"]))
    start = time.process_time()
    data.setup()
    opening = time.process_time() - start
    model.dataset_size = data.train_size
    return model, data, opening


def interleaved(parties: dict[str, Callable[[int], None]]) -> dict[str, float]:
    """Milliseconds a batch of each party: medians over interleaved rounds."""
    times: dict[str, list[float]] = {name: [] for name in parties}
    for run in parties.values():
        run(BATCHES)  # warm
    for _ in range(ROUNDS):
        for name, run in parties.items():
            start = time.process_time()
            run(BATCHES)
            times[name].append((time.process_time() - start) / BATCHES * 1e3)
    return {name: median(values) for name, values in times.items()}


def own_batches(data: ImageDataModule) -> Callable[[int], None]:
    """Consumes batches as the trainer does."""
    steps = iter(range(10**9))

    def run(count: int) -> None:
        for step in islice(steps, count):
            data.images(data.batch_indices(step))

    return run


def loader_batches(data: ImageDataModule) -> Callable[[int], None]:
    """Consumes batches of the DataLoader that converts each item."""
    kept = data.train_indices[:20_000]
    images = (
        (data.images(kept) * data.card.max_value)
        .round()
        .to(torch.uint8)
        .permute(0, 2, 3, 1)
        .contiguous()
        .numpy()
    )
    loader = DataLoader(FloatItems(images, data.card.max_value), BATCH_SIZE, shuffle=True)
    batches = iter([])

    def run(count: int) -> None:
        nonlocal batches
        for _ in range(count):
            if next(batches, None) is None:
                batches = iter(loader)
                next(batches)

    return run


def step_time(model: Any, data: ImageDataModule) -> float:
    """Milliseconds of a training step without its data."""
    optimizer, batch, times = model.configure_optimizers(), data.images(data.batch_indices(0)), []
    for step in range(STEPS):
        start = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        model.train_batch(batch, step)["loss"].backward()
        optimizer.step()
        times.append((time.process_time() - start) * 1e3)
    return median(times)


def measure(name: str, source: str, folder: Path) -> dict[str, Any]:
    """One row of the table."""
    if source == "official" and name in SIZES:
        write_official(name, folder)
    model, data, opening = open_data(
        name, folder if name in SIZES or source == "rendered" else MNIST_DIR, source
    )
    parties = {"gather": own_batches(data)}
    if source == "official":
        parties["dataloader"] = loader_batches(data)
    row: dict[str, Any] = {"dataset": name, "source": source, "channels": data.image_shape[0]}
    if source == "rendered":
        start = time.process_time()
        parties["gather"](BATCHES)
        row |= {"opening_s": opening, "first": (time.process_time() - start) * 1e3 / BATCHES}
    row |= interleaved(parties)
    row["step"] = step_time(model, data)
    row["share_of_step_percent"] = 100 * row["gather"] / row["step"]
    if "first" in row:
        row["first_share_of_step_percent"] = 100 * row["first"] / row["step"]
    if "dataloader" in row:
        row["times_faster"] = row["dataloader"] / row["gather"]
    return row


PEAK = """
import sys
from vae_granularity.data.dsprites import DSprites
folder, device = sys.argv[1:3]
data = DSprites(source="official", data_dir=folder, cache_dir=folder + "/cache", device=device)
def peak():
    lines = open("/proc/self/status")
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
before = peak(); data.setup(); data.images(data.batch_indices(0)); print(peak() - before)
"""


def memory(folder: Path) -> dict[str, int]:
    """Bytes that reading the full dSprites adds to the peak of resident memory: converting, then
    from the cache.
    """
    count = 737_280
    path = folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
    block = (np.random.default_rng(0).random((1024, 64, 64)) < 0.05).astype(np.uint8).tobytes()
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("imgs.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(
            member, {"descr": "|u1", "fortran_order": False, "shape": (count, 64, 64)}
        )
        for _ in range(count // 1024):
            member.write(block)
    runs = (("convert_then_memory", "cpu"), ("memory", "cpu"), ("memory_mapped", "mmap"))
    found = {
        f"peak_{label}": int(
            subprocess.check_output([sys.executable, "-c", PEAK, str(folder), device])
        )
        for label, device in runs
    }
    return found | {"uint8_bytes": count * 4096, "packed_bytes": count * 512}


def table(result: dict[str, Any]) -> str:
    """The Markdown beside the JSON."""
    lines = [
        "# Data path",
        "",
        *heading_of(result),
        f"B = {BATCH_SIZE}. Protocol: the script's first lines. The step is of model=stcvae "
        "net=conv64.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "| --- " * len(COLUMNS) + "|",
    ]
    for row in result["rows"]:
        timed = (
            f"{row[key]:.2f}" if key in row else ""
            for key in ("dataloader", "times_faster", "opening_s", "first")
        )
        shares = (
            f"{row[key]:.2f} %" if key in row else ""
            for key in ("share_of_step_percent", "first_share_of_step_percent")
        )
        cells = [
            row["dataset"],
            row["source"],
            f"{row['gather']:.3f}",
            *timed,
            f"{row['step']:.0f}",
            *shares,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if "memory" in result:
        used = result["memory"]
        lines += [
            "",
            f"Full dSprites: {used['uint8_bytes'] / 1e6:.0f} MB as uint8, kept bit-packed in "
            f"{used['packed_bytes'] / 1e6:.0f} MB.",
        ]
        lines += ["Added to the peak of resident memory, MB:", ""]
        lines += [
            f"- {name.removeprefix('peak_').replace('_', ' ')}: {value / 1e6:.0f}"
            for name, value in used.items()
            if name.startswith("peak_")
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--memory",
        action="store_true",
        help="also the memory of the full dSprites (3 minutes, 1 GB of disk)",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    facts = about("")
    cases = [("dsprites", "official"), ("shapes3d", "official"), ("mpi3d", "official")]
    cases += [("mnist", "official")] if MNIST_DIR.is_dir() else []
    rendered = [
        name
        for name in ("dsprites", "shapes3d", "mpi3d", "cars3d")
        if importlib.util.find_spec(f"vae_granularity.data.render.{name}")
    ]
    rows = []
    for name, source in cases + [(name, "rendered") for name in rendered]:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(name, source, Path(folder)))
        print(rows[-1], flush=True)
    command = "python experiments/benchmarks/data_path.py" + (" --memory" if options.memory else "")
    result: dict[str, Any] = facts | {"command": command, "rows": rows}
    if options.memory:
        with tempfile.TemporaryDirectory() as folder:
            result["memory"] = memory(Path(folder))
    RESULTS.mkdir(exist_ok=True)
    before = RESULTS / "data_path.json"
    if not options.memory and before.exists():
        result |= {
            key: value for key, value in json.loads(before.read_text()).items() if key == "memory"
        }
    (RESULTS / "data_path.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "data_path.md").write_text(table(result))
    print(table(result))


if __name__ == "__main__":
    main()
