"""A run on rendered dSprites shows the whole table of scores in results.json, in W&B and as a
figure.
"""

from __future__ import annotations

import pytest
from tiny import results
from wandb_records import read_offline_run

from vae_granularity.training.config import compose
from vae_granularity.training.run import train

# Everything but the published trees, which take minutes and give the names of the fast ones without
# `fast`.
CHOSEN = (
    "active_units,beta_vae,dci_fast,explicitness,factor_complexity,factor_dimensions,factor_vae,group_null,infomec,irs,mig,mig_entropy,"
    "modularity,modularity_knn,partition_comparison,sap,unit_profile,unsupervised"
)
SMALL = [
    "dataset=dsprites",
    "dataset.source=rendered",
    "net.width=0.1",
    "trainer=debug",
    "trainer.accelerator=cpu",
    "model.latent_dim=6",
    "model.granularity=2",
    "evaluation.metric_figures=true",
    "logger=wandb",
    f"metrics=[{CHOSEN}]",
    *(
        f"metrics.{score}.{part}=12"
        for score in ("factor_vae", "beta_vae")
        for part in ("num_train", "num_eval")
    ),
    "metrics.factor_vae.batch_size=8",
    "metrics.beta_vae.batch_size=8",
    "+metrics.factor_vae.num_variance=200",
    "metrics.factor_complexity.num_settings=2",
    "metrics.factor_dimensions.num_samples=100",
    "+metrics.dci_fast.n_jobs=1",
]
BY_DIMENSION = [
    "mig",
    "mig_entropy",
    "sap",
    "dci_fast_disentanglement",
    "dci_fast_completeness",
    "dci_fast_informativeness",
    "factor_vae",
    "beta_vae",
    "modularity",
    "modularity_knn",
    "explicitness",
    "irs",
    "infom",
    "infoc",
    "infoe",
    "gaussian_tc",
    "gaussian_wasserstein",
    "mutual_info_score",
    "active_kl",
    "active_variance",
]
BY_GROUP = [
    "mig_entropy",
    "sap",
    "dci_fast_disentanglement",
    "dci_fast_completeness",
    "factor_vae",
    "modularity_knn",
    "irs",
    "infom",
    "infoc",
    "gaussian_tc",
    "gaussian_wasserstein",
    "active_kl",
    "active_variance",
]
FIGURES = {"mi_histogram", "mi_knn", "dci_fast_importances", "granularity_profile"}


@pytest.mark.slow
def test_the_whole_table_is_in_the_results_in_wandb_with_figures(tmp_path, monkeypatch, capsys):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    paths = [f"paths.{kind}={tmp_path / kind}" for kind in ("output_dir", "cache_dir", "data_dir")]
    run = train(compose("train", [*SMALL, *paths, "logger.mode=offline"]))
    found = results(run)
    expected = [*BY_DIMENSION, *(f"{name}_group" for name in BY_GROUP), "carriers_group"]
    expected += [
        f"{name}_harmonic_group"
        for name in ("sap", "mig_entropy", "infoc", "dci_fast_completeness")
    ]
    expected += [
        f"factor_dimensions/{name}" for name in ("shape", "scale", "orientation", "pos_x", "pos_y")
    ]
    assert set(expected) <= set(found["scores"])
    printed = capsys.readouterr().out
    assert all(words in printed for words in ("MIG", "InfoM (modularity)", "all scores in"))
    (folder,) = (run / "wandb").glob("offline-run-*")
    records = read_offline_run(next(folder.glob("*.wandb")))
    logged = {key for row in records.history for key in row}
    assert {f"scores/{name}" for name in expected if found["scores"][name] is not None} <= logged
    drawn = {path.stem for path in (run / "figures").glob("*.png")}
    assert drawn >= FIGURES
    assert {f"figures/{name}" for name in FIGURES} <= {
        key.removesuffix("/filenames") for key in logged
    }
