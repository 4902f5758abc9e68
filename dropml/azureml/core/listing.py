"""What the query of a list asks for: which documents, in which order, from where, and how many."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dropml.azureml.core.arm import bad_request
from dropml.azureml.core.store import Doc

#: One document as the store finds it: seq, key, body.
Row = tuple[int, str, Doc]
Fits = Callable[[Doc], bool]
Of = Callable[[Doc], Any]
_PAGE = 100
#: `createdtime desc` of assets and deployments, `CreatedTimeDesc` of endpoints; ascending where nothing is said, as in OData.
_ORDER = re.compile(r"(created|modified|updated)time\s*(asc|desc)?", re.IGNORECASE)


def conditions(query: Mapping[str, str], values: Mapping[str, Of], pairs: Mapping[str, Of]) -> list[Fits]:
    """What the query's words ask of a document: one value, in any case, or `a,b=c`, an `a` and a `b` of the value `c`."""
    return [
        *(_equal(of, query[word]) for word, of in values.items() if query.get(word)),
        *(_having(of, query[word]) for word, of in pairs.items() if query.get(word)),
    ]


def _equal(of: Of, wanted: str) -> Fits:
    return lambda doc: str(of(doc)).lower() == wanted.lower()


def _having(of: Of, text: str) -> Fits:
    wanted = [part.strip().partition("=") for part in text.split(",") if part.strip()]

    def fits(doc: Doc) -> bool:
        found = of(doc)
        return all(n in found and (not equals or str(found[n]) == value) for n, equals, value in wanted)

    return fits


@dataclass(frozen=True)
class Asked:
    """One page: newest first unless another order is asked for."""

    top: int
    offset: int
    token: int | None
    modified: bool
    oldest_first: bool

    @classmethod
    def by(cls, query: Mapping[str, str]) -> Asked:
        """As the query says, or the 400 that names what is wrong with it."""
        try:
            top = int(query.get("$top") or query.get("count") or _PAGE)
            offset = int(query.get("offset") or 0)
            token = query.get("$skipToken") or query.get("$skip")
            before = int(token) if token else None
        except ValueError:
            raise bad_request(
                "The values of $top and $skip must be those of a nextLink, or whole numbers; so must count and offset."
            ) from None
        if top < 1 or offset < 0:
            raise bad_request(f"$top must be 1 or more, not {top}, and offset 0 or more, not {offset}.")
        order = query.get("$orderBy") or query.get("orderBy") or "createdtime desc"
        match = _ORDER.fullmatch(order.strip())
        if match is None:
            raise bad_request(
                f"The list can't be ordered by '{order}': use createdtime or modifiedtime, each with asc or desc."
            )
        modified = match[1].lower() != "created"
        return cls(top, offset, before, modified, (match[2] or "asc").lower() == "asc")


def page(find: Callable[..., list[Row]], asked: Asked, fits: list[Fits]) -> tuple[list[Doc], str | None]:
    """The documents of one page, and the token of the next if more follow."""
    if asked.modified:
        found = [row for row in find() if all(fit(row[2]) for fit in fits)]
        found.sort(key=lambda row: row[2].get("modified", 0), reverse=not asked.oldest_first)
        start = asked.offset if asked.token is None else asked.token
        more = str(start + asked.top) if len(found) > start + asked.top else None
        return [doc for _, _, doc in found[start : start + asked.top]], more
    skipped = asked.offset if asked.token is None else 0
    limit = -1 if fits else skipped + asked.top + 1
    found = find(before=asked.token, oldest_first=asked.oldest_first, limit=limit)
    found = [row for row in found if all(fit(row[2]) for fit in fits)][skipped:]
    more = str(found[asked.top - 1][0]) if len(found) > asked.top else None
    return [doc for _, _, doc in found[: asked.top]], more
