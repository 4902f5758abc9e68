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
    ("blob", "file"),
    [
        ("2024/bank.csv", "bank.csv"),
        ("..\\..\\evil\x1b[2J.csv", "_.._evil__2J.csv"),
        ("über größe.csv", "_ber_gr__e.csv"),
        ("a/...", "file"),
        ("x" * 1000 + ".csv", "x" * 76 + ".csv"),
    ],
)
def test_a_file_is_kept_under_a_name_that_any_system_takes(blob: str, file: str) -> None:
    assert names.safe_file(blob) == file


def test_what_cannot_be_printed_is_shown_as_such() -> None:
    assert names.shown("a\x00b\ud800é🙂.csv") == "a\ufffdb\ufffdé🙂.csv"


@pytest.mark.parametrize(
    "text", ["bank", "bank-0-a1", "bank-1-a0", "Bank-1-a1", "bank-1-a1-x", "../bank-1-a1", ""]
)
def test_what_is_no_run_id(text: str) -> None:
    assert names.parse_run_id(text) is None
