"""Serving documents: a listing tells what each says of its traffic, so that a look over all of them reads none."""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.domain.run.serving import ServingEntry
from shared.services.documents import Entry
from shared.services.run.state_documents import StateDocuments

FOLDER = "serving/"


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


def write(entry: ServingEntry, state: StateDocuments) -> None:
    state.write(path_of(entry.slug), entry, told(entry))


def told(entry: ServingEntry) -> dict[str, str]:
    """What the listing tells of it."""
    return {"endpoint": entry.endpoint, "traffic": json.dumps(entry.traffic, sort_keys=True)}


def placed(listed: Entry) -> Placed | None:
    """None where the listing tells nothing: an earlier release wrote the document, or somebody by hand."""
    endpoint, traffic = listed.metadata.get("endpoint"), listed.metadata.get("traffic")
    return Placed(slug_of(listed), endpoint, json.loads(traffic)) if endpoint and traffic else None
