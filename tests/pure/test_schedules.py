"""Schedules are pure functions of the step, written in the config."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_granularity.errors import ArgumentError
from vae_granularity.partitions.grouping import grouping
from vae_granularity.partitions.schedules import label, schedule

LINEAR = {"schedule": "linear", "start": 0.0, "end": 4.0, "steps": 100}


@pytest.mark.parametrize(
    "value, expected",
    [
        (3, {0: 3, 10**6: 3}),
        (LINEAR, {0: 0, 25: 1, 100: 4, 10**6: 4}),
        (LINEAR | {"delay": 50}, {0: 0, 50: 0, 75: 1, 150: 4}),
        (LINEAR | {"every": 50}, {0: 0, 49: 0, 50: 2, 99: 2, 100: 4}),
        (LINEAR | {"schedule": "cosine"}, {0: 0, 50: 2, 100: 4, 200: 4}),
        (
            {"schedule": "cyclic", "start": 0, "end": 2, "period": 100, "rise": 0.5},
            {0: 0, 25: 1, 50: 2, 99: 2, 100: 0, 125: 1},
        ),
        (
            {"schedule": "piecewise", "levels": [10, 5, 1], "at": [20, 40]},
            {0: 10, 19: 10, 20: 5, 39: 5, 40: 1, 10**6: 1},
        ),
    ],
)
def test_values(value, expected):
    at = schedule("model.beta", value)
    assert {step: at(step) for step in expected} == pytest.approx(expected)


@given(
    st.floats(-5, 5),
    st.floats(-5, 5),
    st.integers(1, 50),
    st.sampled_from(["linear", "cosine"]),
    st.integers(0, 200),
)
def test_a_ramp_stays_between_its_ends_and_ends_there(start, end, steps, kind, step):
    at = schedule("beta", {"schedule": kind, "start": start, "end": end, "steps": steps})
    assert min(start, end) - 1e-9 <= at(step) <= max(start, end) + 1e-9
    assert at(0) == pytest.approx(start)
    assert at(steps) == pytest.approx(end)


def test_granularity_goes_from_coarse_to_fine():
    rule = grouping(
        10, {"schedule": "piecewise", "levels": [10, 5, 2, 1], "at": [10, 20, 30]}, None
    )
    assert [rule.at(step).sizes[0] for step in (0, 10, 25, 99)] == [10, 5, 2, 1]
    ramp = grouping(10, {"schedule": "linear", "start": 1, "end": 10, "steps": 90}, None)
    assert [ramp.at(step).sizes[0] for step in (0, 4, 6, 90)] == [1, 1, 2, 10]


@pytest.mark.parametrize(
    "value, message",
    [
        (
            {"schedule": "linaer"},
            r"model.beta.schedule must be one of linear, cosine, cyclic, piecewise, got 'linaer'",
        ),
        (
            {"schedule": "linear", "start": 0, "end": 1},
            "a linear schedule takes start, end, steps, delay, every, got start, end",
        ),
        (LINEAR | {"stpes": 3}, "a linear schedule takes"),
        (LINEAR | {"end": -1}, "model.beta.end must be a finite number >= 0, got -1"),
        (LINEAR | {"steps": 0}, "model.beta.steps must be an integer >= 1, got 0"),
        (
            {"schedule": "cyclic", "start": 0, "end": 1, "period": 10, "rise": 0},
            "model.beta.rise must be",
        ),
        (
            {"schedule": "piecewise", "levels": [1, 2], "at": [5, 3]},
            "model.beta.at must hold rising steps",
        ),
        (
            {"schedule": "piecewise", "levels": [1, 2, 3], "at": [5, 3]},
            "model.beta.at must hold rising steps",
        ),
        ("abc", "model.beta must be a finite number >= 0, got 'abc'"),
    ],
)
def test_bad_schedules_are_named(value, message):
    with pytest.raises(ArgumentError, match=message):
        schedule("model.beta", value, 0.0)


@pytest.mark.parametrize(
    "granularity, partition, message",
    [
        (
            {"schedule": "linear", "start": 1, "end": 11, "steps": 9},
            None,
            r"granularity.end must be an integer in \[1, 10\], got 11",
        ),
        (
            {"schedule": "piecewise", "levels": [1, 2.5], "at": [5]},
            None,
            r"granularity.levels\[1\] must be an integer",
        ),
        (
            {"schedule": "linear", "start": 1, "end": 4, "steps": 9},
            "adaptive",
            "must be a number with an adaptive partition",
        ),
        (2, "adaptve", "model.partition must be a list of sizes, adaptive or"),
        (2, {"schedule": "adaptive", "evry": 3}, "model.partition takes every, first, .* got evry"),
        (2, {"schedule": "adaptive", "every": 0}, "model.partition.every must be an integer >= 1"),
        (2, {"schedule": "adaptive", "free": 1}, "model.partition.free must be true or false"),
    ],
)
def test_bad_groupings_are_named(granularity, partition, message):
    with pytest.raises(ArgumentError, match=message):
        grouping(10, granularity, partition)


def test_names_of_runs_show_where_a_schedule_goes():
    assert label("beta", 4) == "4"
    assert label("beta", LINEAR) == "0to4"
    assert label("beta", {"schedule": "piecewise", "levels": [10, 5, 1], "at": [20, 40]}) == "10to1"
