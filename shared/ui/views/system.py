"""Why a model is live, from the file's hash to the traffic, with the ledger's chain checked; and how the app itself does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.domain.errors import NotFound
from shared.domain.notify.deliveries import DEAD, PENDING
from shared.domain.run.serving import ServingEntry
from shared.services.notify import showing
from shared.services.run import views
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page
from shared.ui.views.dataset import found
from shared.ui.views.run import steps

#: Notifications of each state that the page lists; the API has all.
NOTICES = "3"
TIMERS = ("advance", "sweep")


def why(desk: Desk, visit: Visit) -> Page:
    dataset = found(desk, visit.names[0])
    if dataset.champion is None:
        raise NotFound(
            f"No model of {dataset.dataset[:80]!r} is live, so there is nothing to explain.",
            remedy="Its runs tell how far each came.",
            code="no-live-model",
        )
    run = desk.store.load(dataset.champion)[0]
    with ThreadPoolExecutor(1, thread_name_prefix="dropml-read") as pool:
        serving = pool.submit(desk.store.hint, f"serving/{dataset.slug}.json", ServingEntry)
        ledger = views.ledger_of(run, desk.store)
    board = views.leaderboard(run)
    values: dict[str, object] = {
        "dataset": dataset,
        "run": run,
        "ledger": ledger,
        "steps": steps(run, ledger.entries),
        "board": board.trials[:3],
        "metric": board.primary_metric,
        "serving": serving.result(),
    }
    return Page("why.html", f"Why {run.run_id} is live", values)


def system(desk: Desk, visit: Visit) -> Page:
    """Timers, notifications, telemetry; and the doctor's findings, worst first. Asking it takes seconds, so it is a link."""
    report = desk.doctor() if visit.said.get("examine") else None
    order = {"failed": 0, "warning": 1, "unknown": 2, "ok": 3}
    findings = sorted(report.findings, key=lambda each: order.get(each.status, 1)) if report else []
    outbox = desk.store.outbox
    with ThreadPoolExecutor(4, thread_name_prefix="dropml-read") as pool:
        came = pool.map(desk.came, TIMERS)
        notices = pool.map(
            lambda state: desk.settled.notices.get(state, lambda: showing.show(outbox, state, NOTICES)),
            (DEAD, PENDING),
        )
    values: dict[str, object] = {
        "report": report,
        "findings": findings,
        "timers": list(zip(TIMERS, came, strict=True)),
        "notices": list(notices),
        "receivers": [receiver.name for receiver in outbox.receivers],
        "sending": desk.sending(),
    }
    return Page("system.html", "System", values)
