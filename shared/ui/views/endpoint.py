"""An endpoint: details, a test with a real example, how to call it, what callers met, its log. Asks Azure."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from shared.domain.canary import Tally
from shared.domain.errors import DropMLError
from shared.domain.run.serving import ServingEntry
from shared.services.monitoring import hours, tallies
from shared.services.run import endpoint_views
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page
from shared.ui.views.judged import side

TABS = (
    ("", "Details"),
    ("/test", "Test"),
    ("/consume", "Consume"),
    ("/metrics", "Metrics"),
    ("/logs", "Logs"),
)
#: Hours that the metrics are shown of.
SPANS = ((6, "6 hours"), (hours.USUAL, "24 hours"), (72, "3 days"), (hours.MOST, "7 days"))
#: Characters of an answer that the test shows.
MOST_ANSWER = 20_000


def details(desk: Desk, visit: Visit) -> Page:
    entry = desk.entry(visit.names[0])
    return _shown(entry, "", {"view": endpoint_views.show(entry, desk.context())}, "endpoint.html")


def test(desk: Desk, visit: Visit) -> Page:
    """Prefilled with a real row; a form's rows are scored, and the answer stands below them."""
    entry = desk.entry(visit.names[0])
    rows = visit.said.get("rows", "") or example(entry)
    answer, problem = "", None
    if visit.said.get("rows"):
        try:
            answer = desk.scores(entry.dataset, rows.encode()).decode()[:MOST_ANSWER]
        except DropMLError as error:
            problem = error
    more: dict[str, object] = {"rows": rows, "answer": _indented(answer), "problem": problem}
    return _shown(entry, "/test", more, "endpoint_test.html")


def consume(desk: Desk, visit: Visit) -> Page:
    entry = desk.entry(visit.names[0])
    more: dict[str, object] = {"rows": example(entry, indent=None), "place": desk.place}
    return _shown(entry, "/consume", more, "endpoint_consume.html")


def metrics(desk: Desk, visit: Visit) -> Page:
    """By the hour what callers met; and side by side, while two versions share the traffic or one is watched."""
    entry, documents = desk.entry(visit.names[0]), desk.store.documents
    wanted = hours.asked(visit.said)
    traffic = hours.traffic(entry, documents, desk.now, wanted)
    seen = tallies.observed(documents, entry.slug, entry.updated_at) if entry.counted else {}
    sides = [
        side("live" if name == entry.live else "", name, entry.traffic.get(name, 0), seen.get(name, Tally()))
        for name in sorted({*entry.traffic, *seen})
    ]
    more: dict[str, object] = {
        "sides": sides,
        "counted": entry.counted,
        "since": entry.updated_at,
        "traffic": traffic,
        "wanted": wanted,
        "spans": SPANS,
        "calls": [each.calls for each in traffic.hours],
        "errors": [each.errors for each in traffic.hours],
        "slow": [each.p95_ms or 0.0 for each in traffic.hours],
        "marks": _marks(traffic.hours),
    }
    return _shown(entry, "/metrics", more, "endpoint_metrics.html")


def _marks(shown: tuple[hours.TrafficHour, ...]) -> list[tuple[float, str]]:
    """Where on the axis which hour or day begins; few enough to be read."""
    every = next((step for step in (1, 6, 24) if len(shown) / step <= 7), 24)
    words = "%H:%M" if every < hours.HOURS_A_DAY else "%d %b"
    return [
        (at, f"{datetime.fromtimestamp(each.at, UTC):{words}}")
        for at, each in enumerate(shown)
        if each.at // hours.HOUR % every == 0
    ]


def logs(desk: Desk, visit: Visit) -> Page:
    entry = desk.entry(visit.names[0])
    name = visit.said.get("deployment", "") or entry.live
    more: dict[str, object] = {
        "log": endpoint_views.log(entry, name, desk.context()),
        "names": sorted({*entry.deployments, entry.live}),
    }
    return _shown(entry, "/logs", more, "endpoint_logs.html")


def example(entry: ServingEntry, indent: int | None = 2) -> str:
    """A body of a real row, as the scoring door takes it."""
    return json.dumps(
        {"data": list(entry.schema.example[:1])}, indent=indent, ensure_ascii=False, default=str
    )


def _indented(answer: str) -> str:
    try:
        return json.dumps(json.loads(answer), indent=2, ensure_ascii=False) if answer else ""
    except ValueError:
        return answer


def _shown(entry: ServingEntry, tab: str, more: dict[str, object], template: str) -> Page:
    return Page(template, f"Endpoint {entry.endpoint}", {"entry": entry, "tabs": TABS, "tab": tab} | more)
