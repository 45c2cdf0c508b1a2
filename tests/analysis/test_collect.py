"""What a folder of runs is read as, whole or broken."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from fake_runs import fake_results, grid, v_elbo, write_run

from vae_granularity.analysis.comparable import check_comparable, keep_where
from vae_granularity.analysis.points import make_surface
from vae_granularity.analysis.runs import check_places, collect
from vae_granularity.analysis.slices import pairs, slices, swept
from vae_granularity.errors import ArgumentError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small sweep: 2 widths, 3 granularities, 2 seeds."""
    for results in grid(v_elbo, widths=(0.5, 1.0), granularities=(1, 2, 3), seeds=2):
        write_run(tmp_path / "runs", results)
    return tmp_path / "runs"


def test_a_row_holds_parameters_terms_scores_and_provenance(folder: Path) -> None:
    row = collect([folder]).table.iloc[0]
    expected = {
        "net.width": 0.5,
        "model.granularity": 1,
        "seed": 0,
        "data.source": "synthetic",
        "model": "stcvae",
        "net": "mlp",
    }
    assert {key: row[key] for key in expected} == expected
    assert row["likelihood"] == "Gaussian(sigma=0.3, learned=false)"
    assert row["val/elbo"] < 0 < row["scores/mig"]
    assert row["version"] == "0.1.0"


def test_parameters_that_repeat_others_are_not_swept(folder: Path) -> None:
    table = collect([folder]).table
    assert list(swept(table)) == [
        "net.width",
        "model.granularity",
    ]  # not net.latent_dim, dataset.seed, run.num_parameters
    assert pairs(table, list(swept(table))) == [("net.width", "model.granularity")]


def test_other_swept_parameters_make_slices(tmp_path: Path) -> None:
    for weight in (0.0, None):
        for results in grid(
            v_elbo, widths=(0.5, 1.0), granularities=(1, 2), seeds=1, within_group_weight=weight
        ):
            write_run(tmp_path, results)
    table = collect([tmp_path]).table
    found = slices(table, list(swept(table)), "net.width", "model.granularity")
    assert sorted(part.title for part in found) == [
        "within-group weight = 0",
        "within-group weight = −β/2",
    ]
    assert all(
        make_surface(part.runs, part.x, part.y, "val/elbo").count.tolist() == [[1, 1], [1, 1]]
        for part in found
    )


def test_rows_that_other_code_read_are_read_again(folder: Path) -> None:
    last = collect([folder]).table
    assert collect([folder], last).reused == len(last)
    assert collect([folder], last.assign(reader="of old")).reused == 0
    assert collect([folder], last.drop(columns="reader")).reused == 0


def test_a_second_pass_reads_only_what_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = collect([folder])
    first.table.to_parquet(tmp_path / "table.parquet")
    last = pd.read_parquet(tmp_path / "table.parquet")
    changed = sorted(folder.iterdir())[3] / "results.json"
    results = json.loads(changed.read_text())
    results["terms"]["val/elbo"] = -1.5
    changed.write_text(json.dumps(results))
    os.utime(changed, ns=(1, 1))
    write_run(folder, fake_results(width=9.0))
    second = collect([folder], last)
    assert (second.reused, len(second.table)) == (11, 13)
    assert second.table.set_index("run.name").loc[results["run"]["name"], "val/elbo"] == -1.5
    pd.testing.assert_frame_equal(
        second.table.set_index("path").sort_index(),
        collect([folder]).table.set_index("path").sort_index(),
        check_categorical=False,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ('{"run": {"name": "a", "se', "half-written"),
        ("[1, 2]", "it holds list"),
        ('{"run": {}, "config": {}}', "damaged, or of another version of this program: no 'data'"),
    ],
)
def test_a_broken_run_is_listed_with_the_reason_and_the_others_are_read(
    folder: Path, text: str, reason: str
) -> None:
    broken = folder / "broken"
    broken.mkdir()
    (broken / "results.json").write_text(text)
    found = collect([folder])
    assert len(found.table) == 12
    assert list(found.broken) == [str(broken / "results.json")]
    assert reason in found.broken[str(broken / "results.json")]


@pytest.mark.parametrize(
    ("part", "key", "value", "reason"),
    [
        ("terms", "val/elbo", "NaN", "val/elbo = 'NaN', not a number"),
        ("config", "seed", None, "not as this version writes it"),
        ("data", "source", None, None),
    ],
)
def test_results_with_a_wrong_value(
    tmp_path: Path, part: str, key: str, value: object, reason: str | None
) -> None:
    results = fake_results()
    results[part][key] = value
    write_run(tmp_path, results)
    found = collect([tmp_path])
    assert len(found.broken) == (reason is not None)
    assert all(reason in text for text in found.broken.values() if reason)


def test_unfinished_runs_are_counted(folder: Path) -> None:
    (folder / "unfinished").mkdir()
    (folder / "unfinished" / "config.yaml").write_text("seed: 0\n")
    assert collect([folder]).unfinished == [str(folder / "unfinished")]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_runs_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ArgumentError, match=f"runs must name a folder of run directories, got .*{name}"
    ):
        check_places([tmp_path / name])


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("source", ("data", "source"), "official"),
        ("likelihood", ("config", "likelihood", "sigma"), 0.5),
        ("split", ("data", "train_size"), 9000),
        ("split", ("data", "split_sha256"), "another"),
        ("protocol", ("protocol", "terms", "asked", "num_images"), 100),
        ("protocol", ("protocol", "metrics", "mig", "num_bins"), 30),
    ],
)
def test_runs_that_do_not_compare_are_refused_unless_allowed(
    folder: Path, kind: str, path: tuple[str, ...], value: object
) -> None:
    results = fake_results(width=7.0)
    node = results
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    write_run(folder, results)
    table = collect([folder]).table
    with pytest.raises(ArgumentError, match=rf"allow_mixed=\[{kind}\]"):
        check_comparable(table)
    assert list(check_comparable(table, [kind])) == [kind]


def test_two_versions_of_the_protocol_are_never_compared(folder: Path) -> None:
    """An old results.json has no version, which counts as 1."""
    old = fake_results(width=7.0)
    del old["protocol"]["protocol_version"]
    write_run(folder, old)
    table = collect([folder]).table
    for allowed in ([], ["protocol"]):
        with pytest.raises(
            ArgumentError,
            match=r"blocks must be measured under one protocol_version, got 1 and 3; measure "
            r"again: python -m vae_granularity\.evaluate run=…, or .* \+where\.protocol_version=3",
        ):
            check_comparable(table, allowed)
    for version in (1, 3):
        assert check_comparable(keep_where(table, {"protocol_version": version})) == {}


def test_what_the_data_made_of_a_metric_and_another_partition_is_the_same_protocol(
    folder: Path,
) -> None:
    results = fake_results(
        granularity=6, width=3.0
    )  # other groups, in the protocol and under the metric's `found`
    results["protocol"]["terms"]["asked"]["seed"] = 5
    write_run(folder, results)
    assert check_comparable(collect([folder]).table) == {}


def test_two_data_sets_are_refused_and_with_leave_compared_each_with_itself(folder: Path) -> None:
    results = fake_results(dataset="dsprites", source="rendered")
    results["data"]["train_size"] = 5184
    write_run(folder, results)
    table = collect([folder]).table
    with pytest.raises(ArgumentError, match=r"data set: blocks \(12 runs\), dsprites \(1 runs\);"):
        check_comparable(table)
    assert list(check_comparable(table, ["dataset"])) == ["dataset"]
    assert "data.name" in swept(table)


def three_data_sets(folder: Path) -> pd.DataFrame:
    """MNIST, Shapes3D and a dSprites run of 6 steps, each at a β and a γ of its own."""
    for place, (name, source) in enumerate(
        [("mnist", "official"), ("shapes3d", "rendered"), ("dsprites", "rendered")]
    ):
        results = fake_results(dataset=name, source=source, beta=2.0**place, granularity=1 + place)
        results["config"]["trainer"]["max_steps"] = 6 if name == "dsprites" else 30_000
        results["run"]["steps"] = results["config"]["trainer"]["max_steps"]
        results["config"]["likelihood"] = {"_target_": "vae_granularity.likelihoods.Bernoulli"}
        write_run(folder, results)
    return collect([folder]).table


def test_three_data_sets_are_refused_in_one_sentence_that_names_them(tmp_path: Path) -> None:
    """Once they gave one heat map and exit code 0: β and γ moved together with the data set."""
    with pytest.raises(ArgumentError) as caught:
        check_comparable(three_data_sets(tmp_path))
    message = str(caught.value)
    assert all(f"{name} (1 runs)" in message for name in ("mnist", "shapes3d", "dsprites"))
    assert message.endswith("or accept it with allow_mixed=[dataset]")


def test_data_sets_never_share_a_surface_whatever_is_allowed(tmp_path: Path) -> None:
    table = three_data_sets(tmp_path)
    assert next(iter(swept(table))) == "data.name"
    assert {"model.beta", "model.granularity"} <= set(swept(table)["data.name"])
    assert pairs(table, list(swept(table))) == []
    assert slices(table, list(swept(table)), "model.beta", "model.granularity") == []


def test_two_sweeps_on_two_data_sets_are_two_slices(tmp_path: Path) -> None:
    for dataset in ("blocks", "mnist"):
        for results in grid(
            v_elbo, widths=(0.5, 1.0), granularities=(1, 2), seeds=1, dataset=dataset
        ):
            write_run(tmp_path, results)
    table = collect([tmp_path]).table
    found = slices(table, list(swept(table)), "net.width", "model.granularity")
    assert [part.title for part in found] == ["data set = blocks", "data set = mnist"]
    assert all(part.runs["data.name"].nunique() == 1 for part in found)


def test_variants_of_a_data_set_are_different_data_sets(folder: Path) -> None:
    results = fake_results(width=3.0)
    results["config"]["dataset"]["variant"] = "real"
    write_run(folder, results)
    with pytest.raises(
        ArgumentError, match=r"data set: blocks \(12 runs\), blocks real \(1 runs\)"
    ):
        check_comparable(collect([folder]).table)


def test_what_is_held_splits_even_where_only_the_number_of_steps_differs(tmp_path: Path) -> None:
    for steps in (6, 2000):
        for results in grid(v_elbo, widths=(0.5, 1.0), granularities=(1, 2), seeds=1):
            results["config"]["trainer"]["max_steps"] = steps
            results["run"]["name"] += f"_{steps}"
            write_run(tmp_path, results)
    table = collect([tmp_path]).table
    found = slices(table, list(swept(table)), "net.width", "model.granularity")
    assert [part.title for part in found] == ["trainer.max steps = 6", "trainer.max steps = 2000"]


def test_callbacks_that_act_on_training_split_and_observers_do_not(tmp_path: Path) -> None:
    """Runs of two options of one callback were averaged as if they were seeds."""
    observer = {"_target_": "vae_granularity.training.callbacks.TermLogger"}
    for norm in (1, 5):
        acting = {"_target_": "my.callbacks.Clip", "norm": norm}
        for results in grid(v_elbo, widths=(0.5, 1.0), granularities=(1, 2), seeds=1):
            results["config"]["callbacks"] = {"clip": acting, "terms": observer | {"every": norm}}
            results["run"]["name"] += f"_{norm}"
            write_run(tmp_path, results)
    table = collect([tmp_path]).table
    assert "callbacks.clip.norm" in swept(table)
    assert "callbacks.terms.every" not in table.columns
    found = slices(table, list(swept(table)), "net.width", "model.granularity")
    assert [len(part.runs) for part in found] == [4, 4]
