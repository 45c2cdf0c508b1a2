"""The promise of the README: a new model is one file and one yaml, and nothing else is touched."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest
from tiny import results, tiny_config

from vae_granularity.training.run import train


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder outside the package with the two files."""
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "toy.yaml").write_text(
        "_target_: toy.HalfVAE\nlatent_dim: 10\nbeta: 0.5\ngranularity: 3\npartition: null\n"
    )
    (tmp_path / "toy.py").write_text(
        dedent('''
        """A VAE between beta-VAE and PDisVAE."""

        from typing import Unpack

        from vae_granularity.models.base import LatentOptions
        from vae_granularity.models.gaussian_vae import WeightedVAE


        class HalfVAE(WeightedVAE):
            def __init__(self, parts, beta=0.5, **options: Unpack[LatentOptions]):
                super().__init__(parts, estimator="stratified", **options)
                self.scheduled("beta", beta, 0.0)

            def weights(self, values):
                beta = values["beta"]
                half = {"mutual_information": beta, "within_group_tc": beta}
                return half | {"between_group_tc": 1.0, "dimension_kl": 1.0}
        ''')
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("toy", None)


def test_one_file_and_one_yaml_make_a_model(toy):
    (toy / "conf" / "model" / "half.yaml").write_text(
        (toy / "conf" / "model" / "toy.yaml").read_text()
    )
    search = f"hydra.searchpath=[file://{toy / 'conf'}]"
    schedule = "model.beta={schedule: linear, start: 0, end: 1, steps: 6}"
    run = train(
        tiny_config(
            toy, search, "model=half", schedule, "model.granularity=4", "evaluation.figures=true"
        )
    )
    found = results(run)
    assert run.name.startswith("half_blocks_b0to1_g4_s0_")
    assert "val/within_group_tc/z0-z3" in found["terms"]
    assert (run / "figures" / "group_traversals.png").exists()
