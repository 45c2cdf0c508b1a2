"""Whether two measurements are comparable has one answer: with null_draws 5 and 20 they are not."""

import pytest

from vae_granularity.evaluation.request import already_there, protocol_of
from vae_granularity.runs.protocol import differences

MIG = {"mig": {"_target_": "vae_granularity.metrics.mig", "_partial_": True, "num_bins": 20}}
SAP = {"sap": {"_target_": "vae_granularity.metrics.sap", "_partial_": True}}


def measured(metrics=MIG, **evaluation):
    return protocol_of({"evaluation": evaluation, "metrics": metrics})


@pytest.mark.parametrize(
    "change, key",
    [
        ({"null_draws": 5}, "metrics.mig.asked.null_draws"),
        ({"num_codes": 99}, "metrics.mig.asked.num_codes"),
        ({"granularities": [1, 2]}, "metrics.mig.asked.granularities"),
        ({"num_components": 99}, "terms.asked.num_components"),
        ({"metrics": {"mig": MIG["mig"] | {"num_bins": 30}}}, "metrics.mig.asked.options.num_bins"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_another_setting_is_a_difference(change, key):
    """Runs of W&B passed as equal with null_draws 5 and 20: only five sizes were compared."""
    assert key in differences([measured(), measured(**change)])


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"seed": 3},
        {"batch_size": 7},
        {"every": 7},
        {"figures": False},
        {"metric_figures": False},
        {"metrics": MIG | SAP},
        {"metrics": SAP},
    ],
    ids=str,
)
def test_what_changes_no_number_or_lacks_a_metric_is_none(change):
    assert differences([measured(), measured(**change)]) == {}


def test_keys_that_earlier_versions_wrote_are_read_and_change_nothing():
    """Halves and draws behind standard errors of single scores, which are no longer computed."""
    old = {"mig": MIG["mig"] | {"with_errors": True}}
    assert measured(old, subsamples=20, draws=5) == measured()
    assert measured(MIG | {"own": {"_target_": "mine.score", "with_errors": True}})["metrics"][
        "own"
    ]["asked"]["options"] == {"with_errors": True}


def test_measuring_again_keeps_what_is_equal_in_seed_and_partition_too():
    before = measured()
    asked = before["metrics"]["mig"]["asked"]
    named_by_module = asked | {"function": "vae_granularity.metrics.mig.mig"}
    assert already_there({"mig": named_by_module}, before) == ["mig"]
    for change in ({"seed": 1}, {"null_draws": 5}, {"partition": [[0]]}, {"versions": {}}):
        assert already_there({"mig": asked | change}, before) == [], change
