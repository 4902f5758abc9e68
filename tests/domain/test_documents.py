"""Documents survive the way to storage and back, open with fields missing or unknown, and say where they are wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from shared.domain.documents import InvalidDocument, from_json, to_json


@dataclass(frozen=True)
class Part:
    share: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    part: Part
    parts: dict[str, Part] = field(default_factory=dict)
    note: str | None = None


def test_there_and_back_again() -> None:
    whole = Whole(Part(0.5, ("a", "b")), {"x": Part(1.0)}, "n")
    assert from_json(to_json(whole), Whole) == whole


def test_older_and_newer_documents_open() -> None:
    assert from_json({"part": {"share": 1}, "unknown": 3}, Whole) == Whole(Part(1.0))


def test_what_does_not_fit_is_named_with_its_place() -> None:
    with pytest.raises(InvalidDocument, match=r"Whole can't be read.*\$\.part\.share"):
        from_json({"part": {"share": "much"}}, Whole)
