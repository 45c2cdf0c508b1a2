"""Measuring finished runs again: what is there under the same protocol stays, nothing is lost,
broken runs do not stop the others.
"""

from __future__ import annotations

import copy
import json
import math
import shutil

import pytest
from tiny import results, tiny_config

from vae_granularity import evaluate as command
from vae_granularity.errors import DataError
from vae_granularity.runs.aggregate import number_protocol
from vae_granularity.runs.protocol import PROTOCOL_VERSION
from vae_granularity.training.config import compose
from vae_granularity.training.run import train


def evaluate(*overrides):
    command.run(compose("evaluate", list(overrides)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of three groups, scored by mig and unsupervised, by the default logger."""
    folder = tmp_path_factory.mktemp("trained")
    options = ("model.granularity=2", "metrics=[mig,unsupervised]", "logger.mode=offline")
    return train(tiny_config(folder, *options, without=("logger=csv",)))


@pytest.fixture
def run(trained, tmp_path):
    # W&B leaves a link to its debug log in the directory.
    return shutil.copytree(trained, tmp_path / "runs" / trained.name, symlinks=True)


def test_only_what_is_missing_is_computed(run, capsys):
    before = results(run)
    evaluate(f"run={run}", "metrics=[mig,irs,modularity]")
    out = capsys.readouterr().out
    assert "kept, same protocol: terms, mig" in out
    assert "computed: modularity" in out
    after = results(run)
    assert set(after["scores"]) > set(before["scores"])
    assert {name: after["scores"][name] for name in before["scores"]} == before["scores"]
    assert {key: after[key] for key in ("run", "config", "data", "terms", "versions")} == {
        key: before[key] for key in ("run", "config", "data", "terms", "versions")
    }
    assert (
        after["protocol"]["not_applicable"]["irs"]
        == "needs space: the data set has no grid of factors"
    )
    written = (run / "results.json").stat().st_mtime_ns
    evaluate(f"run={run}", "metrics=[mig,irs,modularity]")
    assert "computed: nothing" in capsys.readouterr().out
    assert (run / "results.json").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "change", ["+evaluation.num_codes=200", "metrics.mig.num_bins=10", "+evaluation.seed=3"]
)
def test_another_protocol_is_computed_again_and_replaces_the_score(run, capsys, change):
    before = results(run)
    evaluate(f"run={run}", "metrics=[mig]", change)
    assert "computed: " in (out := capsys.readouterr().out)
    assert "mig" in out.split("computed: ")[1]
    after = results(run)
    assert after["scores"]["mig"] != before["scores"]["mig"]
    assert number_protocol(after, "mig") != number_protocol(before, "mig")
    assert number_protocol(after, "gaussian_tc") == number_protocol(before, "gaussian_tc")


def test_a_score_has_one_protocol(run):
    """Trees under the name of others: the later call's scores and protocol hold, once."""
    few = "+evaluation.num_codes=200"
    evaluate(f"run={run}", "metrics=[dci_fast]", few)
    evaluate(
        f"run={run}", "metrics=[dci]", "metrics.dci.regressor=lightgbm", "metrics.dci.seed=3", few
    )
    entries = results(run)["protocol"]["metrics"]
    assert "dci_fast" not in entries  # it would be kept as already there, with another's numbers
    assert number_protocol(results(run), "dci_fast_completeness")["seed"] == 3


def test_scores_of_earlier_results_move_to_the_metric_of_their_name(run):
    """`modularity` gave the scores of `modularity_knn` too; its own are kept."""
    evaluate(f"run={run}", "metrics=[modularity]")
    path = run / "results.json"
    old = json.loads(path.read_text())
    old["protocol"]["metrics"]["modularity"]["scores"].append("modularity_knn_group")
    old["scores"] |= {"modularity_knn_group": 0.125}
    path.write_text(json.dumps(old))
    evaluate(f"run={run}", "metrics=[modularity,modularity_knn]")
    found = results(run)
    entries = found["protocol"]["metrics"]
    assert "modularity_knn_group" not in entries["modularity"]["scores"]
    assert "modularity_knn_group" in entries["modularity_knn"]["scores"]
    assert found["scores"]["modularity_knn_group"] != 0.125
    assert found["scores"]["modularity"] == old["scores"]["modularity"]


def test_what_stands_beside_a_score_is_in_the_results(run):
    evaluate(
        f"run={run}",
        "metrics=[infomec,modularity_knn,group_null,partition_comparison,unit_profile,dci_fast]",
    )
    found = results(run)
    scores = found["scores"]
    assert scores["infom_group"] is not None
    assert not [name for name in scores if name.startswith("se/")]
    how = found["protocol"]
    assert how["inactive_latents"] == how["metrics"]["infomec"]["found"]["inactive_kl"]
    for name in (
        "infom",
        "infoc",
        "infoc_harmonic",
        "modularity_knn",
        "dci_fast_completeness",
        "dci_fast_completeness_harmonic",
        "gaussian_tc",
    ):
        assert scores[f"{name}_null_group"] is not None
        assert scores[f"{name}_null_sd_group"] >= 0
        assert math.isfinite(scores[f"{name}_lift_group"])
    for partition in ("own", "g1", "g2", "g3", "g5", "blocks"):
        assert {
            f"{partition}/{name}_group"
            for name in ("infom", "infoc", "infoc_harmonic", "carriers", "dci_fast_completeness")
        } <= set(scores)
    assert scores["own/infoc_group"] == scores["g2/infoc_group"]
    assert scores["carriers_group"] >= 1
    assert "separating_granularity/block0" in scores
    partitions = found["protocol"]["metrics"]["partition_comparison"]["found"]["partitions"]
    assert sorted(d for group in partitions["blocks"] for d in group) == list(range(6))
    assert sorted(map(len, partitions["blocks"])) == [2, 2, 2]
    listed = [name for entry in found["protocol"]["metrics"].values() for name in entry["scores"]]
    assert set(scores) - set(listed) == {
        "infoc_harmonic_group",
        "dci_fast_completeness_harmonic_group",
    }  # of two entries each
    assert len(listed) == len(set(listed))
    assert all(number_protocol(found, name) for name in scores)


def test_bounds_of_the_exact_terms_are_in_the_protocol(run):
    found = results(run)["protocol"]["terms"]
    assert found["exact_components"] == 128
    assert found["saturation"]["val/mutual_information"]["bound"] == pytest.approx(math.log(128))
    assert found["saturation"]["val/between_group_tc"]["bound"] == pytest.approx(2 * math.log(128))
    assert found["saturation"]["val/within_group_tc"]["bound"] == pytest.approx(3 * math.log(128))
    assert found["saturation"]["val/within_group_tc/z0-z1"]["saturated"] is False


def test_each_exact_term_lies_between_its_bounds_and_is_marked_where_they_are_far_apart(run):
    terms, marks = results(run)["terms"], results(run)["protocol"]["terms"]["saturation"]
    for name in ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl"):
        lower, upper = (terms[f"val/{name}_{side}"] for side in ("lower", "upper"))
        assert 0 <= lower <= terms[f"val/{name}"] <= upper
        mark = marks[f"val/{name}"]
        assert (mark["lower"], mark["upper"]) == (lower, upper)
        assert mark["wide"] is (upper - lower > max(0.5, 0.1 * abs(terms[f"val/{name}"])))
    parts = [terms[f"val/{name}"] for name in ("mutual_information", "between_group_tc")]
    parts += [terms[f"val/{name}"] for name in ("within_group_tc", "dimension_kl")]
    upper_kl = max(terms[f"val/{name}_upper"] for name in ("mutual_information", "dimension_kl"))
    assert sum(parts) <= upper_kl + 1e-3, "the terms add to the KL, which no bound exceeds"


def test_runs_are_named_by_folder_pattern_and_list(run, capsys):
    other = shutil.copytree(run, run.with_name("other_run"))
    for given in (
        f"run={run.parent}",
        f"run={run.parent}/*",
        f"run=[{run},{other}]",
        f"run=[{run.parent},{other}]",
    ):
        evaluate(given)
        out = capsys.readouterr().out
        assert out.count("computed: nothing") == 2
        assert "run 2 of 2: " in out


def test_broken_runs_are_listed_at_the_end(run, capsys):
    reasons = {
        "a": "no readable checkpoint",
        "b": "its results.json is damaged",
        "c": "is not finished",
        "d": "has no config.yaml",
    }
    for name in reasons:
        shutil.copytree(run, run.with_name(name))
    shutil.rmtree(run.with_name("a") / "checkpoints")
    (run.with_name("b") / "results.json").write_text("{")
    (run.with_name("c") / "results.json").unlink()
    (run.with_name("d") / "config.yaml").unlink()
    with pytest.raises(DataError, match="4 of 5 runs were not evaluated"):
        evaluate(f"run={run.parent}", "metrics=[modularity]")
    listed = capsys.readouterr().err.splitlines()
    for name, reason in reasons.items():
        assert any(f"{run.with_name(name)}: " in line and reason in line for line in listed), (
            name,
            listed,
        )
    assert "modularity" in results(run)["scores"]


def test_nothing_is_lost_if_it_fails_half_way(run, monkeypatch):
    before = (run / "results.json").read_bytes()
    monkeypatch.setattr("vae_granularity.evaluation.figures.save_figures", lambda *_: 1 / 0)
    with pytest.raises(DataError, match="1 of 1 runs were not evaluated"):
        evaluate(f"run={run}", "metrics=[modularity]", "+evaluation.figures=true")
    assert (run / "results.json").read_bytes() == before


def test_a_run_that_is_being_written_is_left_alone(run, capsys):
    from vae_granularity.runs.status import only_writer

    with only_writer(run), pytest.raises(DataError, match="1 of 1 runs were not evaluated"):
        evaluate(f"run={run}")
    assert "another process" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["nothing", "empty"])
def test_no_run_at_all_is_an_error(tmp_path, given):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"does not exist|holds no finished run"):
        evaluate(f"run={tmp_path / given}")


@pytest.mark.parametrize("version", [None, 1])
def test_scores_of_another_version_of_the_protocol_are_measured_anew(run, capsys, version):
    new = results(run)
    assert new["protocol"]["protocol_version"] == PROTOCOL_VERSION == 3
    old = copy.deepcopy(new)
    del old["protocol"]["protocol_version"]
    if version is not None:
        old["protocol"]["protocol_version"] = version
    old["scores"] = dict.fromkeys(old["scores"], 0.123)
    old["terms"] = dict.fromkeys(old["terms"], 0.123)
    (run / "results.json").write_text(json.dumps(old))
    evaluate(f"run={run}")
    out = capsys.readouterr().out
    assert "kept, same protocol: nothing" in out
    assert "computed: terms, mig, unsupervised" in out
    assert "protocol version 1 became 3; left out, not asked for: nothing" in out
    assert results(run) == new


def test_old_scores_that_are_not_asked_for_do_not_stay_beside_new_ones(run, capsys):
    old = results(run)
    old["protocol"] = {"num_codes": 5}
    old["scores"]["something"] = 0.5
    (run / "results.json").write_text(json.dumps(old))
    evaluate(f"run={run}", "metrics=[mig]")
    assert "left out, not asked for: " in (out := capsys.readouterr().out)
    assert "something" in out.split("left out, not asked for: ")[1]
    assert {"something", "gaussian_tc"}.isdisjoint(results(run)["scores"])
    assert number_protocol(results(run), "mig")["asked"]["num_codes"] == 256
    evaluate(f"run={run}")
    assert "gaussian_tc" in results(run)["scores"]
