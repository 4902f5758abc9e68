"""Serving documents: a listing tells what each says of its traffic, so that a look over all of them reads none."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.domain.run.serving import ServingEntry
from shared.services import conditional
from shared.services.documents import Entry
from shared.services.run.state_documents import StateDocuments

FOLDER = "serving/"
#: Seconds between a document and the one before where the clock says no more.
STEP = 0.001


@dataclass(frozen=True)
class Placed:
    """Of one dataset in service; `traffic` is in percent."""

    slug: str
    endpoint: str
    traffic: dict[str, int]


def path_of(slug: str) -> str:
    return f"{FOLDER}{slug}.json"


def slug_of(listed: Entry) -> str:
    return listed.path.removeprefix(FOLDER).removesuffix(".json")


def write(entry: ServingEntry, state: StateDocuments, *, anew: bool = False) -> bool:
    """Last writer wins; `anew` is for one that is missing or can't be read: False where another process was first.

    `updated_at` names the split of the traffic, by which calls are counted: it grows with every write, also where a clock went
    back or another host's is ahead.
    """
    path, documents = path_of(entry.slug), state.documents

    def attempt() -> bool:
        try:
            found = documents.get(path)
        except InvalidDocument:
            documents.delete(path)
            found = None
        if anew and found is not None and _reads(found[0]):
            return False
        after = replace(
            entry, updated_at=later(entry.updated_at, found[0].get("updated_at") if found else None)
        )
        if found is None:
            documents.create(path, to_json(after), told(after))
        else:
            documents.replace(path, to_json(after), found[1], told(after))
        return True

    return conditional.write(attempt, path)


def _reads(document: object) -> bool:
    try:
        from_json(document, ServingEntry)
    except InvalidDocument:
        return False
    return True


def later(now: float, before: object) -> float:
    """`now`, where it is after `before`, which is what a document says; a step after that where it isn't."""
    return max(now, before + STEP) if isinstance(before, float | int) else now


def told(entry: ServingEntry) -> dict[str, str]:
    """What the listing tells of it."""
    return {"endpoint": entry.endpoint, "traffic": json.dumps(entry.traffic, sort_keys=True)}


def placed(listed: Entry) -> Placed | None:
    """None where the listing tells nothing: an earlier release wrote the document, or somebody by hand."""
    endpoint, traffic = listed.metadata.get("endpoint"), listed.metadata.get("traffic")
    return Placed(slug_of(listed), endpoint, json.loads(traffic)) if endpoint and traffic else None
