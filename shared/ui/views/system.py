"""Why a model is live, from the file's hash to the traffic, with the ledger's chain checked; and how the app itself does."""

from __future__ import annotations

from shared.domain.errors import NotFound
from shared.domain.run.serving import ServingEntry
from shared.services.run import views
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page
from shared.ui.views.dataset import found
from shared.ui.views.run import steps


def why(desk: Desk, visit: Visit) -> Page:
    dataset = found(desk, visit.names[0])
    if dataset.champion is None:
        raise NotFound(
            f"No model of {dataset.dataset[:80]!r} is live, so there is nothing to explain.",
            remedy="Its runs tell how far each came.",
            code="no-live-model",
        )
    run = desk.store.load(dataset.champion)[0]
    ledger = views.ledger(run.run_id, desk.store)
    board = views.leaderboard(run)
    values: dict[str, object] = {
        "dataset": dataset,
        "run": run,
        "ledger": ledger,
        "steps": steps(run, ledger.entries),
        "board": board.trials[:3],
        "metric": board.primary_metric,
        "serving": desk.store.hint(f"serving/{dataset.slug}.json", ServingEntry),
    }
    return Page("why.html", f"Why {run.run_id} is live", values)


def system(desk: Desk, visit: Visit) -> Page:
    """The doctor's findings, worst first; asking takes seconds, so a page without them is a link to it."""
    report = desk.doctor() if visit.said.get("examine") else None
    order = {"failed": 0, "warning": 1, "unknown": 2, "ok": 3}
    findings = sorted(report.findings, key=lambda each: order.get(each.status, 1)) if report else []
    return Page("system.html", "System", {"report": report, "findings": findings})
