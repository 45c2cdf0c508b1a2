"""The glossary explains every score that a metric of conf/metrics can give, and no other."""

from __future__ import annotations

import re
import typing
from fnmatch import fnmatchcase

import pytest
from hydra.utils import get_method
from pages import ROOT, site_tool
from tiny import options

from vae_granularity.evaluation.score_table import DEPENDENT, FACTOR_SCORES
from vae_granularity.metrics.core.group_scores import HARMONIC, NULLS
from vae_granularity.metrics.udr import UDRResult
from vae_granularity.training.config import compose

TEXT = (ROOT / "docs" / "scores.md").read_text()
ENTRIES = {
    tuple(re.findall(r"`([^`]+)`", heading)): text
    for heading, text in re.findall(r"^### (.*)\n((?:(?!^#).*\n)*)", TEXT, re.MULTILINE)
}
EXPLAINED = [name for names in ENTRIES for name in names]
BESIDE = {"*_null_group", "*_null_sd_group", "*_lift_group", "*/*_group", f"*{DEPENDENT}"}


METRICS = [name for name in options("metrics") if name not in ("fast", "full")]
NODES = compose("train", [f"metrics=[{','.join(METRICS)}]"]).metrics


def given(metric: str) -> set[str]:
    """Names that a metric of conf/metrics declares; a `*` stands for any text."""
    node = NODES[metric]
    result = typing.get_type_hints(get_method(node._target_))["return"]
    names = set(result.score_names)
    if "dci_*" in names:  # of both classifiers
        stems = {"disentanglement", "completeness", "informativeness"}
        names = {f"{metric}_{stem}" for stem in stems}
        names |= {f"{name}_group" for name in names if "inform" not in name}
    return names


GIVEN = set().union(*map(given, METRICS))


@pytest.mark.parametrize("metric", METRICS)
def test_every_score_of_a_metric_is_explained(metric):
    for name in given(metric):
        matches = [
            entry for entry in EXPLAINED if fnmatchcase(entry, name) or fnmatchcase(name, entry)
        ]
        assert matches, name


def test_what_stands_beside_scores_and_the_factor_scores_are_explained():
    assert set(HARMONIC) <= set(EXPLAINED)
    assert {f"*{end}" for end in NULLS} <= BESIDE
    assert set(EXPLAINED) >= BESIDE
    assert {f"{name}/*" for name in FACTOR_SCORES} <= set(EXPLAINED)
    assert set(UDRResult.score_names) <= set(re.findall(r"`([^`]+)`", TEXT))


def test_nothing_else_is_explained():
    known = GIVEN | BESIDE | set(HARMONIC) | set(UDRResult.score_names)
    others = [name for name in EXPLAINED if not name.startswith("val/")]
    assert not [
        name
        for name in others
        if not any(fnmatchcase(name, one) or fnmatchcase(one, name) for one in known)
    ]
    assert len(EXPLAINED) == len(set(EXPLAINED))


@pytest.mark.parametrize("names", [names for names in ENTRIES if not names[0].startswith("val/")])
def test_an_entry_says_its_range_and_direction(names):
    """In bold: where the number lies and which way is good."""
    bold = " ".join(re.findall(r"\*\*([^*]+)\*\*", ENTRIES[names]))
    assert re.search(r"higher|lower|direction|near 0|means|Compare", bold), bold


@pytest.mark.slow
def test_the_table_of_noise_is_what_its_script_prints(capsys):
    script = site_tool("noise_scores")
    script.main()
    for line in capsys.readouterr().out.splitlines():
        name, noise, perfect = re.findall(r"[^| ]+", line)
        row = re.search(rf"^\| {re.escape(name)} \| (\S+) \| (\S+) \|$", TEXT, re.MULTILINE)
        assert row, line
        assert float(row[1]) == pytest.approx(float(noise), abs=0.015)
        assert float(row[2]) == pytest.approx(float(perfect), abs=0.015)
