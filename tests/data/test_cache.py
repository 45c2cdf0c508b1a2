"""The conversion cache: made once, whole or not at all, whoever is killed and whoever else prepares
at the same time.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_granularity.data.files import cache
from vae_granularity.data.files.cache import ImageStream
from vae_granularity.errors import DataError

SHAPE, COUNT = (3, 16, 16), 200
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), dtype=np.uint8)


def stream(chunk: int = 17, order: np.ndarray | None = None) -> ImageStream:
    order = np.arange(COUNT) if order is None else order
    pieces = (order[start : start + chunk] for start in range(0, COUNT, chunk))
    return ImageStream(
        SHAPE,
        {"train": COUNT},
        ((piece, PIXELS[piece]) for piece in pieces),
        lambda: np.arange(COUNT)[:, None],
    )


def unreachable() -> ImageStream:
    raise AssertionError("the cache was there")


@given(st.permutations(range(COUNT)), st.integers(1, 70))
def test_chunks_in_any_order_and_size_give_the_same_file(
    tmp_path_factory, order: list[int], chunk: int
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache.prepare(folder / "x", lambda: stream(chunk, np.array(order)))
    np.testing.assert_array_equal(np.load(folder / "x" / cache.IMAGES), PIXELS)


def test_it_is_converted_once(tmp_path: Path) -> None:
    first = cache.prepare(tmp_path / "x", stream)
    assert cache.prepare(tmp_path / "x", unreachable, thorough=True) == json.loads(
        json.dumps(first)
    )
    assert first["dtype"] == "uint8"
    assert first["version"] == cache.VERSION


def test_it_can_be_memory_mapped_and_is_written_in_place_of_pickles(tmp_path: Path) -> None:
    cache.prepare(tmp_path / "x", stream)
    mapped = np.load(tmp_path / "x" / cache.IMAGES, mmap_mode="r", allow_pickle=False)
    assert isinstance(mapped, np.memmap)
    assert mapped.shape == (COUNT, *SHAPE)


def test_binary_images_may_be_packed_eight_to_a_byte(tmp_path: Path) -> None:
    binary = PIXELS > 127
    cache.prepare(
        tmp_path / "x",
        lambda: ImageStream(SHAPE, {"train": COUNT}, [(np.arange(COUNT), binary)]),
        packed=True,
    )
    packed = np.load(tmp_path / "x" / cache.IMAGES)
    assert packed.shape == (COUNT, 3, 16, 2)
    np.testing.assert_array_equal(np.unpackbits(packed, axis=-1), binary)


def flip_a_byte(folder: Path) -> None:
    with (folder / cache.IMAGES).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))


def edit_manifest(**changes: object):
    def edit(folder: Path) -> None:
        manifest = json.loads((folder / cache.MANIFEST).read_text())
        (folder / cache.MANIFEST).write_text(json.dumps(manifest | changes))

    return edit


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        lambda folder: (folder / cache.IMAGES).write_bytes(b""),
        lambda folder: (folder / cache.IMAGES).unlink(),
        lambda folder: (folder / cache.LABELS).unlink(),
        lambda folder: (folder / cache.MANIFEST).unlink(),
        lambda folder: (folder / cache.MANIFEST).write_text("{"),
        lambda folder: (folder / cache.MANIFEST).write_text("[]"),
        edit_manifest(version=cache.VERSION - 1),
        edit_manifest(arrays=None),
    ],
)
def test_a_damaged_or_old_cache_is_made_again(damage, tmp_path: Path) -> None:
    cache.prepare(tmp_path / "x", stream)
    damage(tmp_path / "x")
    assert cache.load(tmp_path / "x") is None
    cache.prepare(tmp_path / "x", stream)
    np.testing.assert_array_equal(np.load(tmp_path / "x" / cache.IMAGES), PIXELS)
    assert cache.load(tmp_path / "x", thorough=True) is not None


def test_a_stream_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def chunks():
        yield np.arange(100), PIXELS[:100]
        raise DataError("the rest is damaged")

    with pytest.raises(DataError, match="the rest is damaged"):
        cache.prepare(tmp_path / "x", lambda: ImageStream(SHAPE, {"train": COUNT}, chunks()))
    assert list((tmp_path / "x").iterdir()) == []


def test_images_that_never_come_are_counted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="100 of 200 images are missing, the first at position 100"):
        cache.prepare(
            tmp_path / "x",
            lambda: ImageStream(SHAPE, {"train": COUNT}, [(np.arange(100), PIXELS[:100])]),
        )


def test_a_disk_too_small_is_said_before_anything_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(
        DataError,
        match=r"no space left for the cache .*x: it needs 153,600 bytes, 1,000 are free; "
        r"set cache_dir",
    ):
        cache.prepare(tmp_path / "x", stream)
    assert list((tmp_path / "x").iterdir()) == []


def test_a_write_that_fails_half_way_leaves_no_half_file(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: the system refuses the write in the
    same way.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DataError, match=r"cannot write the cache .*x: File too large"):
            cache.prepare(tmp_path / "x", stream)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert list((tmp_path / "x").iterdir()) == []
    cache.prepare(tmp_path / "x", stream)
    np.testing.assert_array_equal(np.load(tmp_path / "x" / cache.IMAGES), PIXELS)


PREPARE = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    import numpy as np
    from vae_granularity.data.files import cache
    pixels = np.load(sys.argv[2])
    def chunks():
        for start in range(0, len(pixels), 10):
            time.sleep(0.004)
            yield np.arange(start, start + 10), pixels[start:start + 10]
    def labels():
        time.sleep(0.02)
        return np.arange(len(pixels))[:, None]
    print("started", flush=True)
    parts = {"train": len(pixels)}
    stream = cache.ImageStream(pixels.shape[1:], parts, chunks(), labels)
    cache.prepare(Path(sys.argv[1]), lambda: stream)
""")


def start_preparing(folder: Path) -> subprocess.Popen[bytes]:
    pixels = folder.parent / "pixels.npy"
    if not pixels.exists():
        np.save(pixels, PIXELS)
    return subprocess.Popen(
        [sys.executable, "-c", PREPARE, str(folder), str(pixels)], stdout=subprocess.PIPE
    )


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_leaves_no_cache_that_loads_but_differs(
    kills: int, tmp_path: Path
) -> None:
    clean = tmp_path / "clean" / "x"
    clean.parent.mkdir()
    with start_preparing(clean) as process:
        assert process.stdout.readline() == b"started\n"
        start = time.monotonic()
        process.wait()
        duration = time.monotonic() - start
    moments = random.Random(0)
    interrupted = 0
    for number in range(kills):
        folder = tmp_path / "killed" / str(number)
        folder.parent.mkdir(exist_ok=True)
        with start_preparing(folder) as process:
            process.stdout.readline()
            time.sleep(moments.uniform(0, duration))
            process.send_signal(signal.SIGKILL)
        if cache.load(folder) is None:
            interrupted += 1
        else:
            assert (folder / cache.IMAGES).read_bytes() == (clean / cache.IMAGES).read_bytes()
        cache.prepare(folder, stream)
        for name in (cache.IMAGES, cache.LABELS):
            assert (folder / name).read_bytes() == (clean / name).read_bytes()
        assert not list(folder.glob("*.tmp"))
    assert interrupted > 0, "no kill came in time: the test tested nothing"


def test_two_that_prepare_at_the_same_time_end_in_one_good_cache(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    processes = [start_preparing(folder) for _ in range(2)]
    for process in processes:
        with process:
            assert process.wait(timeout=60) == 0
    np.testing.assert_array_equal(np.load(folder / cache.IMAGES), PIXELS)
    assert cache.load(folder, thorough=True) is not None
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        [cache.IMAGES, cache.LABELS, cache.MANIFEST]
    )
