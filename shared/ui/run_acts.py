"""What people do to runs and datasets on the pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from shared.domain.errors import Conflict, InvalidInput
from shared.domain.run.documents import Run
from shared.domain.run.states import State
from shared.services.run import retraining, threshold_views
from shared.services.run.acting import asking, putting_back
from shared.ui import words
from shared.ui.desk import Desk, Visit
from shared.ui.questions import Question, act_of, hindered

# -- runs ---------------------------------------------------------------------------------------------------------


def ask_retry(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    says = (
        f"The data of version {run.n} is trained once more, as attempt {run.attempt + 1}. "
        "Training costs what it cost the first time; what is live stays live until the new model "
        "has passed the gate."
    )
    hold = hindered(lambda: retraining.may_retry(run))
    return Question(f"Retry {name}?", says, "Retry", f"/runs/{name}", obstacle=hold)


def retry(desk: Desk, visit: Visit, name: str) -> str:
    act = act_of(desk, visit)
    return f"/runs/{retraining.retry(name, act.actor, desk.context(), act.note)}"


def ask_cancel(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    says = (
        f"The run is {run.state}. Its job and its deployment are ended; callers that it has as a "
        "canary go back to the champion first."
    )
    hold = "" if run.is_open else f"The run is {words.said(run.state)}, not open."
    return Question(f"Cancel {name}?", says, "Cancel the run", f"/runs/{name}", risky=True, obstacle=hold)


def cancel(desk: Desk, visit: Visit, name: str) -> str:
    asking.cancel(name, act_of(desk, visit), desk.context())
    return f"/runs/{name}"


def ask_approve(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    why = run.approval.why if run.approval else "Nothing asks for it."
    says = (
        f"{why} Approved, it goes through the gate against what is live by now, and then to its "
        "canary: real callers will be answered by it."
    )
    return Question(f"Approve {name}?", says, "Approve", f"/runs/{name}", obstacle=_unasked(run))


def ask_reject(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    why = run.approval.why if run.approval else "Nothing asks for it."
    says = f"{why} Rejected, the run ends and its deployment is deleted; what is live stays live."
    return Question(f"Reject {name}?", says, "Reject", f"/runs/{name}", risky=True, obstacle=_unasked(run))


def _unasked(run: Run) -> str:
    if run.state is State.AWAITING_APPROVAL:
        return ""
    return f"The run is {words.said(run.state)}: nothing waits for a person's word."


def decide(verdict: Literal["approved", "rejected"]) -> Callable[[Desk, Visit, str], str]:
    def do(desk: Desk, visit: Visit, name: str) -> str:
        asking.decide(name, verdict, act_of(desk, visit), desk.context())
        return f"/runs/{name}"

    return do


def ask_promote(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    if run.canary and run.is_open:
        says = (
            f"Its canary ends now: all callers of {run.dataset} are answered by it, not "
            f"{run.canary.percent} % of them. The watch goes on."
        )
    else:
        says = (
            f"All callers of {run.dataset} are answered by this version again, where its deployment stands."
        )
    hold = hindered(lambda: putting_back.may_promote(name, desk.context()))
    return Question(f"Promote {name}?", says, "Promote", f"/runs/{name}", obstacle=hold)


def promote(desk: Desk, visit: Visit, name: str) -> str:
    putting_back.promote(name, act_of(desk, visit), desk.context())
    return f"/runs/{name}"


# -- datasets -------------------------------------------------------------------------------------------------------


def ask_rollback(desk: Desk, name: str) -> Question:
    dataset = desk.store.find_dataset(name)
    title, back = f"Roll back {dataset.dataset}?", f"/datasets/{dataset.slug}"
    try:
        to, away = putting_back.outlook(name, desk.context())
    except Conflict as error:
        return Question(title, "", "", back, obstacle=f"{error.message} {error.remedy}".strip())
    if to is None:
        hold = f"It was rolled back already: {away} answers. Promote another version on its own page."
        return Question(title, "", "", back, obstacle=hold)
    first = f"The canary of {away} ends: " if to == dataset.champion else f"Traffic is taken from {away}: "
    says = f"{first}{to} answers all callers of {dataset.dataset} within seconds, without training."
    return Question(title, says, f"Roll back to {to}", back, risky=True, kept=(("to", to),))


def rollback(desk: Desk, visit: Visit, name: str) -> str:
    done = putting_back.rollback(name, visit.said.get("to"), act_of(desk, visit), None, desk.context())
    return f"/datasets/{done.slug}"


def ask_pause(desk: Desk, name: str) -> Question:
    dataset = desk.store.find_dataset(name)
    says = (
        "Files are still taken and rows still scored; nothing trains and nothing is promoted "
        "until somebody resumes it."
    )
    return Question(f"Pause {dataset.dataset}?", says, "Pause", f"/datasets/{dataset.slug}")


def pause(desk: Desk, visit: Visit, name: str) -> str:
    return f"/datasets/{asking.pause(name, act_of(desk, visit), desk.context()).slug}"


def ask_resume(desk: Desk, name: str) -> Question:
    dataset = desk.store.find_dataset(name)
    says = "What waited goes on with the next tick: its runs train, and what passes the gate is promoted."
    return Question(f"Resume {dataset.dataset}?", says, "Resume", f"/datasets/{dataset.slug}")


def resume(desk: Desk, visit: Visit, name: str) -> str:
    return f"/datasets/{asking.resume(name, act_of(desk, visit), desk.context()).slug}"


def ask_threshold(desk: Desk, name: str) -> Question:
    now = threshold_views.in_force(name, desk.context())
    says = (
        f"Now: {now.says} Another threshold holds from the next call on, without training; empty "
        "means that the more probable class is answered."
    )
    value = "" if now.in_force.value is None else f"{now.in_force.value:g}"
    return Question(
        f"Set the threshold of {now.dataset}?", says, "Set it", f"/runs/{now.run_id}/model",
        field=("threshold", "Probability from which the second class is answered", value),
    )  # fmt: skip


def threshold(desk: Desk, visit: Visit, name: str) -> str:
    said = visit.said.get("threshold", "").strip()
    value: float | None = None
    if said:
        with suppress(ValueError):
            value = float(said)
        if value is None or not 0 <= value <= 1:  # NaN neither
            raise InvalidInput(
                f"The threshold is {said[:40]!r}; it takes a number from 0 to 1, as 0.3, or nothing.",
                code="invalid-threshold",
                field="threshold",
            )
    body = {"threshold": value} | ({"note": visit.said["note"]} if visit.said.get("note") else {})
    found = threshold_views.set_threshold(name, json.dumps(body).encode(), visit.session.name, desk.context())
    return f"/runs/{found.run_id}/model"
