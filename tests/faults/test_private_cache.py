"""Compiled code is loaded as code: it is kept where only this user can write."""

import os
import stat

import pytest

from vae_granularity.files import private_cache


@pytest.fixture(autouse=True)
def fresh():
    private_cache.cache_clear()
    yield
    private_cache.cache_clear()


def mode(folder):
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.mark.parametrize("before", [None, 0o700, 0o777])
def test_the_folder_is_below_the_users_cache_and_closed_to_others(tmp_path, monkeypatch, before):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if before is not None:
        (tmp_path / "vae_granularity" / "compiled").mkdir(parents=True)
        os.chmod(tmp_path / "vae_granularity" / "compiled", before)
    folder = private_cache("compiled")
    assert folder == tmp_path / "vae_granularity" / "compiled"
    assert mode(folder) == 0o700


@pytest.mark.parametrize("obstacle", ["link", "file", "relative"])
def test_where_there_is_no_such_folder_a_fresh_one_is_made(tmp_path, monkeypatch, obstacle):
    other = tmp_path / "other"
    other.mkdir()
    place = tmp_path / "vae_granularity" / "compiled"
    place.parent.mkdir()
    if obstacle == "link":
        place.symlink_to(other)
    elif obstacle == "file":
        place.write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache" if obstacle == "relative" else str(tmp_path))
    folder = private_cache("compiled")
    assert folder.is_dir()
    assert not folder.is_relative_to(tmp_path)
    assert mode(folder) == 0o700
