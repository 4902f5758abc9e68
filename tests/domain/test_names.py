"""Names stay within Azure's limits, whatever people call their files, and never collide by accident."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import names

ENDPOINT = re.compile(r"^[a-z](?:[a-z0-9]|-(?!-)){1,30}[a-z0-9]$")
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@given(st.text(min_size=1, max_size=200))
def test_every_name_is_within_azures_limits(dataset: str) -> None:
    slug = names.slug(dataset)
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,17}", slug)
    assert ENDPOINT.match(names.endpoint(slug, WORKSPACE, dataset))
    assert ENDPOINT.match(names.batch_endpoint(slug, WORKSPACE, dataset))
    assert names.parse_run_id(names.run_id(slug, 12, 3)) == (slug, 12, 3)


@given(st.integers(1, 10**6), st.integers(1, 99))
def test_deployment_names(n: int, attempt: int) -> None:
    assert ENDPOINT.match(names.deployment(n, attempt))


def test_a_plain_name_is_kept_and_altered_ones_stay_apart() -> None:
    assert names.slug("bank-marketing") == "bank-marketing"
    assert names.slug("Bank") != names.slug("bank")
    assert len({names.slug(n) for n in ("a b", "a_b", "a/b", "a-b", "A-B")}) == 5


def test_two_workspaces_and_two_datasets_have_their_own_endpoints() -> None:
    made = {names.endpoint("bank", w, d) for w in ("w1", "w2") for d in ("bank", "Bank")}
    assert len(made) == 4


@pytest.mark.parametrize(
    ("blob", "dataset"),
    [
        ("bank.csv", "bank"),
        ("2024/bank.csv", "2024/bank"),
        ("bank.yaml", None),
        (".csv", None),
        ("bank.CSV", None),
    ],
)
def test_which_blobs_are_datasets(blob: str, dataset: str | None) -> None:
    assert names.dataset_of_blob(blob) == dataset


@pytest.mark.parametrize(
    "text", ["bank", "bank-0-a1", "bank-1-a0", "Bank-1-a1", "bank-1-a1-x", "../bank-1-a1", ""]
)
def test_what_is_no_run_id(text: str) -> None:
    assert names.parse_run_id(text) is None
