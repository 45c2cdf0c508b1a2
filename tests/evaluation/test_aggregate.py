"""Averages over seeds: mean and interval of what compares, a refusal that names the difference of
what does not.
"""

from __future__ import annotations

import copy

import pytest

from vae_granularity.errors import ArgumentError
from vae_granularity.runs.aggregate import aggregate, number_protocol, over_runs, split_by_protocol


def results(name, mig, *, seed=0, num_codes=1000, bins=20, components=500, elbo=-10.0):
    asked = {
        "num_codes": num_codes,
        "seed": seed,
        "partition": [[0, 1]],
        "versions": {"scikit-learn": f"1.{seed}"},
    }
    return {
        "run": {"name": name},
        "terms": {"val/elbo": elbo},
        "scores": {
            "mig": mig,
            "infoc_group": 1.0,
            "infom_group": None,
            "infoc_harmonic_group": None,
        },
        "protocol": {
            "terms": {
                "asked": {"num_components": components},
                "saturation": {"val/mutual_information": {"value": elbo}},
            },
            "metrics": {
                "mig": {
                    "asked": asked,
                    "num_bins": bins,
                    "found": {"dead": [seed]},
                    "scores": ["mig"],
                },
                "infomec": {
                    "asked": asked,
                    "num_neighbors": 10,
                    "scores": ["infoc_group", "infom_group"],
                },
            },
        },
    }


def test_mean_and_interval_over_seeds_leave_out_what_is_missing():
    runs = [results("a", 0.2), results("b", 0.4, seed=1), results("c", None, seed=2)]
    found = aggregate(runs)
    assert (found["mig"].mean, found["mig"].count) == (pytest.approx(0.3), 2)
    assert found["mig"].low < 0.3 < found["mig"].high
    assert found["infom_group"] is None
    assert found["val/elbo"].count == 3


@pytest.mark.parametrize(
    "change, number, message",
    [
        ({"num_codes": 500}, "mig", "asked.num_codes=1000 in a and 500 in b"),
        ({"bins": 30}, "mig", "num_bins=20 in a and 30 in b"),
        ({"components": 100}, "val/elbo", "asked.num_components=500 in a and 100 in b"),
        ({"num_codes": 500}, "infoc_group", "asked.num_codes=1000 in a and 500 in b"),
    ],
)
def test_two_protocols_are_never_averaged(change, number, message):
    runs = [results("a", 0.2), results("b", 0.4, **change)]
    with pytest.raises(
        ArgumentError,
        match=f"{number} must be measured under one protocol to be averaged, got {message}",
    ):
        over_runs(runs, number)
    with pytest.raises(ArgumentError, match="must be measured under one protocol"):
        aggregate(runs)
    assert [[run["run"]["name"] for run in lot] for lot in split_by_protocol(runs, number)] == [
        ["a"],
        ["b"],
    ]


@pytest.mark.parametrize("number", ["mig", "val/elbo", "infoc_group", "unknown"])
def test_two_versions_of_the_protocol_are_never_averaged(number):
    """Not even a number of which no record says how it was measured; no version counts as 1."""
    runs = [results(name, 0.2) for name in ("a", "b", "c")]
    runs[1]["protocol"]["protocol_version"] = 2
    runs[2]["protocol"]["protocol_version"] = 1
    for run in runs:
        run["scores"]["unknown"] = 0.5
    with pytest.raises(
        ArgumentError,
        match=r"protocol_version=1 in a and 2 in b; measure again: python -m vae_granularity\.eval",
    ):
        over_runs(runs, number)
    assert [[run["run"]["name"] for run in lot] for lot in split_by_protocol(runs, number)] == [
        ["a", "c"],
        ["b"],
    ]


def test_a_run_without_the_score_does_not_stand_in_the_way():
    other = copy.deepcopy(results("b", None, bins=30))
    assert over_runs([results("a", 0.2), other], "mig").count == 1


def test_a_harmonic_mean_has_the_protocols_of_its_parts():
    found = number_protocol(results("a", 0.2), "infoc_harmonic_group")
    assert {part: protocol["num_neighbors"] for part, protocol in found.items()} == {
        "infoc_group": 10,
        "infom_group": 10,
    }
