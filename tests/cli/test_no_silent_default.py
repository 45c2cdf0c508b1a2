"""A wrong word on the command line never trains something else: it is named, with what works."""

from __future__ import annotations

import os
import sys

import pytest
from commands import refusal

from vae_granularity.errors import UserError


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["experiment=stcvae_shapes"], "experiment has no option 'stcvae_shapes', did you mean "),
        (["experiment=stcvae_shapes"], "'stcvae_shapes3d'"),
        (["experiment=[disentanglement_lib,stcvae]"], "no option 'stcvae', did you mean 'stcvae_"),
        (["sweep=beta_granularit"], "did you mean 'beta_granularity'"),
        (["-m", "sweep=beta_granularit"], "did you mean 'beta_granularity'"),
        (["-m", "experiment=stcvae_shapes", "seed=0,1"], "did you mean 'stcvae_shapes3d'"),
        (["compile=foo"], "compile has no option 'foo'; there are auto, graph, none, step"),
        (["compile=grap"], "did you mean 'graph'"),
        (["metrics=[mig,dcii]"], "metrics has no option 'dcii', did you mean 'dci'"),
        (["hydra/launcher=slrm", "-m"], "did you mean 'slurm'"),
        (["seed=0,1"], "seed=0,1: several values are a sweep, train -m; a list is seed=[…]"),
        (["source=hub"], "did you mean 'dataset.source'"),
        (["cache_dir=x"], "did you mean 'paths.cache_dir'"),
        (["model.capacity.start=2"], "model has latent_dim, beta, within_group_weight, granular"),
        (["+seed=3"], "already at 'seed': leave out the +"),
        (["experiment=null"], "must be a string or a list"),
        (["=3"], "must be a string or a list"),
        (["--cfg", "job", "-m"], "Only one of --run, --multirun, --cfg"),
    ],
)
def test_a_wrong_word_is_named(arguments, message, monkeypatch, capsys):
    assert message in refusal(monkeypatch, capsys, "train", *arguments)


def test_a_launcher_of_earlier_versions_asks_for_the_one_of_today(monkeypatch, capsys):
    said = refusal(monkeypatch, capsys, "train", "-m", "hydra/launcher=ray_gpus", "seed=0,1")
    assert "no option 'ray_gpus', did you mean 'ray'?" in said


def test_a_launcher_names_the_extra_that_installs_it(monkeypatch, capsys):
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # finds what is installed, and registers it once
    store = ConfigStore.instance().repo["hydra"]["launcher"]
    kept = {name: node for name, node in store.items() if "submitit" not in name}
    monkeypatch.setitem(ConfigStore.instance().repo["hydra"], "launcher", kept)
    said = refusal(monkeypatch, capsys, "train", "-m", "hydra/launcher=slurm", "seed=0,1")
    assert "needs the extra 'slurm': pip install 'vae-granularity[slurm]'" in said


def test_ray_names_its_extra_where_it_is_not_installed(monkeypatch):
    from vae_granularity.sweeps.ray_pool import RayPool

    monkeypatch.setattr("os.environ", dict(os.environ))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"needs the extra 'ray': pip install .*\[ray\]"):
        RayPool(print)


@pytest.mark.parametrize(
    "module, arguments, message",
    [
        ("evaluate", ["evaluation.num_images=9"], "add to it with +evaluation.num_images=VALUE"),
        ("evaluate", ["run=a,b"], "a list is run=[…]"),
        ("evaluate", ["metrics=dcii", "run=a"], "did you mean 'dci'"),
        (
            "analyze",
            ["where.model.beta=4"],
            "where is empty; add to it with +where.model.beta=VALUE",
        ),
        ("analyze", ["trsut=[a]"], "did you mean 'trust'"),
        ("dashboards", ["projekt=a"], "did you mean 'project'"),
        (
            "data.__main__",
            ["prepare", "experiment=stcvae_shapes"],
            "did you mean 'stcvae_shapes3d'",
        ),
        ("data.__main__", ["info", "data_dir=x"], "did you mean 'paths.data_dir'"),
        ("data.__main__", ["info", "=3"], "must be a string or a list"),
    ],
)
def test_so_do_the_other_commands(module, arguments, message, monkeypatch, capsys):
    assert message in refusal(monkeypatch, capsys, module, *arguments)


def test_the_other_sources_of_a_data_set_are_told_by_keys_that_work(tmp_path, monkeypatch):
    from vae_granularity.data.files import sources
    from vae_granularity.data.files.download import DownloadError
    from vae_granularity.data.shapes3d import Shapes3D
    from vae_granularity.errors import DataError

    def offline(*_, **__):
        raise DownloadError("no network")

    monkeypatch.setattr(sources, "fetch_all", offline)
    with pytest.raises(DataError) as error:
        Shapes3D(source="official", data_dir=tmp_path, cache_dir=tmp_path).resolve()
    assert "dataset.source=rendered" in str(error.value)
    assert "dataset.source=hub" in str(error.value)
