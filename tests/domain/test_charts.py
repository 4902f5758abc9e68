"""Curves out of the counts that AutoML leaves: they are those that one would draw from the rows themselves."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.charts import BINS, Charts, charts

THRESHOLDS = [i / 99 for i in range(100)]
ROWS = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60)


def table(rows: list[tuple[bool, float]]) -> dict[str, object]:
    counts = []
    for t in THRESHOLDS:
        tp = sum(hit and p >= t for hit, p in rows)
        fp = sum(not hit and p >= t for hit, p in rows)
        fn, tn = sum(hit for hit, _ in rows) - tp, sum(not hit for hit, _ in rows) - fp
        counts.append([tp, fp, tn, fn])
    data = {"class_labels": ["yes"], "probability_tables": [counts], "probability_thresholds": THRESHOLDS}
    return {"schema_type": "accuracy_table", "schema_version": "1.0.1", "data": data}


@given(ROWS)
def test_curves_hold_what_curves_must(rows: list[tuple[bool, float]]) -> None:
    (one,) = charts("t", {"accuracy_table": table(rows)}).classes
    assert (one.rows, one.positives) == (len(rows), sum(hit for hit, _ in rows))
    assert 0 <= one.auc <= 1
    assert 0 <= one.average_precision <= 1
    assert (one.roc[0], one.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(one.roc))
    assert sum(each.rows for each in one.calibration) == len(rows)
    assert len(one.calibration) <= BINS
    assert all(0 <= each.observed <= 1 and 0 <= each.predicted <= 1 for each in one.calibration)


def test_a_perfect_and_a_useless_model_look_like_it() -> None:
    perfect = [(True, 0.9)] * 30 + [(False, 0.1)] * 70
    useless = [(i % 2 == 0, (i % 10) / 10 + 0.05) for i in range(100)]
    (best,) = charts("t", {"accuracy_table": table(perfect)}).classes
    assert (best.auc, best.average_precision) == (1.0, 1.0)
    (worst,) = charts(
        "t", {"accuracy_table": table([(i % 4 < 2, useless[i][1]) for i in range(100)])}
    ).classes
    assert worst.auc == pytest.approx(0.5, abs=0.06)


def test_a_regression_has_residuals_and_a_matrix_is_read_as_it_is() -> None:
    found = charts(
        "t",
        {
            "residuals": {
                "data": {"bin_edges": [-1.0, 0.0, 1.0], "bin_counts": [3, 4], "mean": 0.1, "stddev": 0.5}
            },
            "confusion_matrix": {"data": {"class_labels": ["a", "b"], "matrix": [[5, 1], [0, 7]]}},
        },
    )
    assert found.residuals is not None
    assert found.confusion is not None
    assert found.residuals.counts == (3, 4)
    assert found.confusion.rows == ((5, 1), (0, 7))
    assert not found.empty


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(JSON, JSON)
def test_what_is_none_of_the_known_forms_is_passed_over(one: object, other: object) -> None:
    documents = {
        "accuracy_table": {"data": one},
        "confusion_matrix": other,
        "residuals": {"data": {"bin_edges": other}},
    }
    assert isinstance(charts("t", documents), Charts)
