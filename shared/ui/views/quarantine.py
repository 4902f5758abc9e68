"""Refused files: the list, and one with its report, the lines that offend, what can be done."""

from __future__ import annotations

from shared.services.quarantine.listing import WAITING, RefusedQuery
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page


def quarantine(desk: Desk, visit: Visit) -> Page:
    said = {k: v for k, v in visit.said.items() if k in ("dataset", "decided", "cursor") and v}
    found, _ = desk.quarantine().page(RefusedQuery.parse({"limit": "50", **said}))
    values: dict[str, object] = {
        "files": found.files,
        "cursor": found.cursor,
        "waiting": said.get("decided") == WAITING,
        "place": desk.place,
    }
    return Page("quarantine.html", "Quarantine", values)


def refused(desk: Desk, visit: Visit) -> Page:
    view = desk.quarantine().show(visit.names[0])
    return Page("refused.html", f"Refused: {view.source.blob}", {"view": view})
