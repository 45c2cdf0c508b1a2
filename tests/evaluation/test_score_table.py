"""The table of scores: a row a score, a dash for what is undefined, nothing where there is no such
score.
"""

from __future__ import annotations

from vae_granularity.evaluation.score_table import (
    as_markdown,
    as_text,
    saturation_notes,
    score_notes,
    score_table,
    tables,
    term_lines,
)

SCORES = {
    "mig": 0.25,
    "infoc": 0.5,
    "infoc_group": None,
    "infoc_harmonic_group": None,
    "infom_null_group": 0.3,
    "infom_null_sd_group": 0.1,
    "infom_lift_group": 0.2,
    "g1/infoc_group": 0.4,
    "g2/infoc_group": 0.6,
    "complexity/hue": 2.0,
}
PROTOCOL = {
    "not_applicable": {"irs": "needs space"},
    "terms": {
        "exact_components": 100,
        "saturation": {
            "val/mutual_information": {"value": 4.6, "bound": 4.605, "saturated": True},
            "val/between_group_tc": {"value": 1.0, "bound": 9.2, "saturated": False},
        },
    },
}


def test_every_number_stands_in_one_table():
    scores, partitions, factors, missing = tables(SCORES, PROTOCOL)
    assert scores.rows == (
        ("mig", "0.250", "", "", "", ""),
        ("infoc", "0.500", "–", "", "", "–"),
        ("infom", "", "", "0.300 ± 0.100", "0.200", ""),
    )
    assert (partitions.columns, partitions.rows) == (
        ("score", "g1", "g2"),
        (("infoc", "0.400", "0.600"),),
    )
    assert (factors.columns, factors.rows) == (("factor", "complexity"), (("hue", "2.000"),))
    assert missing.rows == (("irs", "needs space"),)
    assert tables({}, {}) == []


def test_saturated_terms_are_marked_under_the_terms():
    lines = term_lines(
        {"val/elbo": -3.0, "val/kl": None, "val/within_group_tc/z0-z1": 1.0}, PROTOCOL
    )
    assert lines == ["val: elbo -3.00  (nats)", *saturation_notes(PROTOCOL)]
    assert saturation_notes(PROTOCOL) == [
        "val/mutual_information 4.60 is saturated: 100 components show at most 4.61"
    ]


def test_terms_whose_bounds_are_far_apart_are_marked_with_the_direction():
    """Old: a total correlation of 6.8 nats stood there unmarked where the truth was 0."""
    wide = {"value": 6.8, "bound": 82.9, "saturated": False, "lower": 0.0, "upper": 6.9}
    low = {"value": 9.21, "bound": 9.21, "saturated": True, "lower": 9.2, "upper": 16.0}
    group = {"value": 3.0, "lower": 0.0, "upper": 3.2, "wide": True}
    marks = {
        "val/mutual_information": low | {"wide": True},
        "val/between_group_tc": wide | {"wide": True},
        "val/between_group_tc_correlated": wide | {"wide": False},
        "val/within_group_tc/z0-z1": group,
    }
    assert saturation_notes({"terms": {"exact_components": 10_000, "saturation": marks}}) == [
        "val/mutual_information 9.21 is saturated: 10000 components show at most 9.21; it lies"
        " anywhere in 9.20 to 16.00: few components make it too low",
        "val/between_group_tc 6.80 lies anywhere in 0.00 to 6.90: few components make it too high",
    ]


def test_the_bounds_of_a_term_stand_beside_it():
    terms = {"val/between_group_tc": 6.8, "val/between_group_tc_lower": 0.0}
    terms |= {"val/between_group_tc_upper": 6.9, "val/kl": 9.0}
    assert term_lines(terms, {}) == ["val: between_group_tc 6.80 [0.00, 6.90]  kl 9.00  (nats)"]


def test_the_bounds_of_a_score_stand_in_its_cell_and_are_said_where_they_are_wide():
    """Old: a gap of 0.11 stood there unmarked where the truth was 0.32."""
    scores = {"mig_entropy": 0.11, "mig_entropy_lower": 0.07, "mig_entropy_upper": 0.33}
    assert score_table(scores).rows == (("mig_entropy", "0.110 [0.07, 0.33]", "", "", "", ""),)
    narrow = {"scores": list(scores), "found": {}}
    wide = narrow | {"found": {"wide": "few posteriors for their width"}}
    assert score_notes(scores, {"metrics": {"mig_entropy": narrow}}) == []
    assert score_notes(scores, {"metrics": {"mig_entropy": wide}}) == [
        "mig_entropy 0.11 lies anywhere in 0.07 to 0.33: few posteriors for their width"
    ]


def test_a_missing_score_is_said_with_its_reason_and_its_null_is_not():
    scores = {"sap": 0.2, "sap_group": None, "sap_null_group": None, "g2/sap_group": None}
    entry = {"scores": list(scores), "found": {"missing": "too few rows"}}
    assert score_notes(scores, {"metrics": {"sap": entry}}) == [
        "sap_group is missing: too few rows"
    ]
    assert score_notes(scores | {"sap_group": 0.1}, {"metrics": {"sap": entry}}) == []


def test_what_too_little_data_leaves_out_is_said_and_what_does_not_apply_is_not():
    reasons = {"mig": "too little data: factor 2 has 183 values", "irs": "needs space"}
    assert score_notes({}, {"not_applicable": reasons}) == [
        "mig is missing: too little data: factor 2 has 183 values"
    ]


def test_bins_that_outliers_have_emptied_are_said():
    entry = {"scores": ["mig"], "found": {"latents_nearly_in_one_bin": [0, 3]}}
    assert score_notes({"mig": 0.68}, {"metrics": {"mig": entry}}) == [
        "mig sees little of z0, z3: outliers leave all but a few rows in one bin"
    ]


def test_as_text_and_as_markdown_hold_every_cell():
    table = score_table(SCORES)
    for written in (as_text(table), as_markdown(table)):
        assert all(cell in written for row in (table.columns, *table.rows) for cell in row)
    assert as_markdown(table).splitlines()[2].count("|") == len(table.columns) + 1
