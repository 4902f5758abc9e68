"""What people do to refused files, pipelines and endpoints on the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from urllib.parse import quote

from shared.services.notify import showing
from shared.services.run import endpoint_views
from shared.ui.desk import Desk, Visit
from shared.ui.questions import Question, act_of, once_of

# -- quarantine ---------------------------------------------------------------------------------------------------------


_REFUSED: dict[str, tuple[str, str, bool]] = {
    "release": ("Release",
        ("is taken as it is, this once: the rule that it broke is waived for this file alone, and "
        "the next one is held to it again."), False),
    "accept-schema": ("Accept the schema",
        ("is taken, and from now on files are held against its columns and types. Callers who "
        "send the old columns may be refused."), True),
    "discard": ("Discard",
        "is given up. The original is deleted by the next sweep; what is known of it stays.", True),
}  # fmt: skip


def ask_refused(action: str) -> Callable[[Desk, str], Question]:
    def ask(desk: Desk, name: str) -> Question:
        view = desk.quarantine().show(name)
        word, what, risky = _REFUSED[action]
        says = f"The file {view.source.blob} {what}"
        back, hold = f"/quarantine/{name}", view.obstacles.get(action, "")
        return Question(f"{word} {view.source.blob}?", says, word, back, risky=risky, obstacle=hold)

    return ask


def refused(action: Literal["release", "accept-schema", "discard"]) -> Callable[[Desk, Visit, str], str]:
    def do(desk: Desk, visit: Visit, name: str) -> str:
        act = act_of(desk, visit)
        done = desk.quarantine().act(name, action, act.actor, act.note)
        return f"/runs/{done.run_id}" if done.run_id else f"/quarantine/{name}"

    return do


# -- pipelines ----------------------------------------------------------------------------------------------------------


def ask_pipeline(desk: Desk, name: str) -> Question:
    dataset = desk.store.find_dataset(name)
    says = (
        f"The published pipeline trains {dataset.dataset} anew on its newest data. Its model goes "
        "through gate and canary as any other."
    )
    return Question(
        f"Train {dataset.dataset} anew?", says, "Run the pipeline", f"/datasets/{dataset.slug}", note=False
    )


def pipeline(desk: Desk, visit: Visit, name: str) -> str:
    found = desk.pipelines().trigger(name, once_of(visit), visit.session.name)
    return f"/pipelines/{found.slug}/{quote(found.id)}"


def ask_cancel_pipeline(desk: Desk, name: str) -> Question:
    slug, _, request_id = name.partition("~")
    view = desk.pipelines().show(slug, request_id)
    says = "Its pipeline job is ended, and with it the run that came of it. What is live stays live."
    back = f"/pipelines/{slug}/{quote(request_id)}"
    return Question(f"Cancel this pipeline run of {view.dataset}?", says, "Cancel it", back, risky=True)


def cancel_pipeline(desk: Desk, visit: Visit, name: str) -> str:
    slug, _, request_id = name.partition("~")
    desk.pipelines().cancel(slug, request_id, act_of(desk, visit))
    return f"/pipelines/{slug}/{quote(request_id)}"


# -- endpoints ----------------------------------------------------------------------------------------------------------


def ask_insights(*, enabled: bool) -> Callable[[Desk, str], Question]:
    def ask(desk: Desk, name: str) -> Question:
        entry = desk.entry(name)
        word, state = ("Turn on", "send") if enabled else ("Turn off", "no longer send")
        says = (
            f"The deployments of {entry.endpoint} that have traffic are updated; afterwards they {state} "
            "their requests and logs to the workspace's Application Insights. Callers are answered meanwhile."
        )
        title = f"{word} Application Insights?"
        return Question(title, says, word, f"/endpoints/{entry.endpoint}", risky=not enabled, note=False)

    return ask


def insights(*, enabled: bool) -> Callable[[Desk, Visit, str], str]:
    def do(desk: Desk, visit: Visit, name: str) -> str:
        entry = desk.entry(name)
        endpoint_views.app_insights(entry, enabled=enabled, actor=visit.session.name, ctx=desk.context())
        return f"/endpoints/{entry.endpoint}"

    return do


# -- notifications ------------------------------------------------------------------------------------------------------


def ask_resend(desk: Desk, name: str) -> Question:
    _, delivery, _ = desk.store.outbox.find(name)
    says = (
        f"“{delivery.notice.sentence}” goes to {delivery.receiver} once more, with all its tries before it."
    )
    return Question("Send it again?", says, "Send again", "/system", note=False)


def resend(desk: Desk, _: Visit, name: str) -> str:
    showing.resend(desk.store.outbox, name)
    return "/system"
