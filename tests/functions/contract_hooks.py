"""What schemathesis can't learn from the document: CSV text (loaded by it through SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

import os
import random
from typing import Any

import schemathesis

HEADER, *ROWS = os.environ["CONTRACT_CSV"].strip().splitlines()


def csv_text(seed: str) -> str:
    """The documented example with its rows repeated and in any order, under any delimiter that is taken."""
    chance = random.Random(seed)
    lines = [HEADER, *chance.choices(ROWS, k=chance.randint(1, 20))]
    return "\n".join(lines).replace(",", chance.choice(",;\t|"))


@schemathesis.hook
def map_case(ctx: Any, case: Any) -> Any:
    """The document can only say that CSV is text; where valid data is wanted, make it valid."""
    if case.media_type == "text/csv" and isinstance(case.body, str):
        wanted_valid = case.meta is None or not case.meta.is_negative_at("body")
        if wanted_valid and not case.body.startswith(HEADER):
            case.body = csv_text(case.body)
    return case


@schemathesis.hook
def filter_case(ctx: Any, case: Any) -> bool:
    """Leave out mistakes that no app could reject.

    A header that nobody declared is none in HTTP; blanks around a header's value are no part of it; and the Functions
    host drops query parameters without a value.
    """
    padded = any(str(value) != str(value).strip() for value in (case.headers or {}).values())
    undeclared = "x-schemathesis-unknown-property" in (case.headers or {})
    valueless = any(value in ("", {}, []) for value in (case.query or {}).values())
    return not undeclared and not padded and not valueless
