"""A ledger that was forged, cut off or garbled doesn't verify, and says where."""

from __future__ import annotations

import json

import pytest

from shared.domain.run import ledger


def written(entries: int) -> tuple[list[str], str]:
    """So many chained lines, and the hash of the last."""
    lines: list[str] = []
    head = ""
    for number in range(entries):
        lines.append(ledger.line({"event": "state", "number": number}, head))
        head = ledger.line_hash(lines[-1])
    return lines, head


def test_a_whole_ledger_verifies_with_its_last_lines_still_pending_or_half_told() -> None:
    lines, head = written(4)
    assert ledger.verify(lines, head) == ledger.Verification()
    assert ledger.verify([], "") == ledger.Verification()
    assert ledger.verify(lines[:2], head, lines[2:]) == ledger.Verification(), "not appended yet"
    assert ledger.verify(lines[:3], head, lines[2:]) == ledger.Verification(), "appended in part"
    assert ledger.verify(lines, head, lines[2:]) == ledger.Verification(), "appended, and not told"


def test_a_line_that_was_changed_breaks_the_chain_behind_it() -> None:
    lines, head = written(4)
    changed = json.loads(lines[1]) | {"number": 7}
    lines[1] = json.dumps(changed, sort_keys=True, separators=(",", ":"))
    found = ledger.verify(lines, head)
    assert found.broken_at == 2
    assert "doesn't follow the line before" in (found.reason or "")


def test_a_forged_last_line_is_seen() -> None:
    lines, head = written(4)
    lines[-1] = ledger.line({"event": "state", "number": 99}, ledger.line_hash(lines[-2]))
    found = ledger.verify(lines, head)
    assert found.broken_at == 3
    assert "cut off or forged" in (found.reason or "")


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_ledger_that_was_cut_off_is_seen(left: int) -> None:
    lines, head = written(4)
    found = ledger.verify(lines[:left], head)
    assert found.broken_at == max(left - 1, 0)
    assert "cut off or forged" in (found.reason or "")


@pytest.mark.parametrize("garbage", ["", "not json", "[]", '"text"', "{}", '{"prev": 1}'])
def test_a_garbled_line_is_told_at_its_place(garbage: str) -> None:
    lines, head = written(4)
    lines[2] = garbage
    found = ledger.verify(lines, head)
    assert found.broken_at == 2
    assert found.reason


def test_a_line_put_in_between_is_seen() -> None:
    lines, head = written(4)
    assert ledger.verify([*lines[:2], lines[1], *lines[2:]], head).broken_at == 2
