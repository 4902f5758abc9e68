"""What people may do on the pages: each is asked once, in words that name what it will "
"do, and then done as the API does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from shared.domain.errors import InvalidInput, NotFound
from shared.domain.rows import remarks
from shared.domain.run.acts import Act
from shared.services.run import retraining, threshold_views
from shared.services.run.acting import asking, putting_back
from shared.ui.desk import Desk, Visit


@dataclass(frozen=True)
class Question:
    """What is asked before an act: a heading, what will happen, the button's word; and what "
    "can be said with it.
    """

    title: str
    says: str
    button: str
    back: str
    risky: bool = False
    note: bool = True
    #: A further field: its name, its label, and what stands in it.
    field: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class Doing:
    """An act: how it is asked, how it is done (to the path where its result is), and what is said after."""

    ask: Callable[[Desk, str], Question]
    do: Callable[[Desk, Visit, str], str]
    done: str


def _act(desk: Desk, visit: Visit) -> Act:
    note = visit.said.get("note", "").strip()
    if len(note) > remarks.MOST:
        raise InvalidInput(f"A note has at most {remarks.MOST} characters.", field="note")
    return Act(visit.session.name, round(desk.now, 3), note)


# -- runs ---------------------------------------------------------------------------------------------------------


def _ask_retry(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    says = (
        f"The data of version {run.n} is trained once more, as attempt {run.attempt + 1}. "
        "Training costs what it cost the first time; what is live stays live until the new model "
        "has passed the gate."
    )
    return Question(f"Retry {name}?", says, "Retry", f"/runs/{name}", note=False)


def _retry(desk: Desk, visit: Visit, name: str) -> str:
    return f"/runs/{retraining.retry(name, visit.session.name, desk.context())}"


def _ask_cancel(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    says = (
        f"The run is {run.state}. Its job and its deployment are ended; callers that it has as a "
        "canary go back to the champion first."
    )
    return Question(f"Cancel {name}?", says, "Cancel the run", f"/runs/{name}", risky=True)


def _cancel(desk: Desk, visit: Visit, name: str) -> str:
    asking.cancel(name, _act(desk, visit), desk.context())
    return f"/runs/{name}"


def _ask_approve(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    why = run.approval.why if run.approval else "Nothing asks for it."
    says = (
        f"{why} Approved, it goes through the gate against what is live by now, and then to its "
        "canary: real callers will be answered by it."
    )
    return Question(f"Approve {name}?", says, "Approve", f"/runs/{name}")


def _ask_reject(desk: Desk, name: str) -> Question:
    run = desk.store.load(name)[0]
    why = run.approval.why if run.approval else "Nothing asks for it."
    says = f"{why} Rejected, the run ends and its deployment is deleted; what is live stays live."
    return Question(f"Reject {name}?", says, "Reject", f"/runs/{name}", risky=True)


def _decide(verdict: Literal["approved", "rejected"]) -> Callable[[Desk, Visit, str], str]:
    def do(desk: Desk, visit: Visit, name: str) -> str:
        asking.decide(name, verdict, _act(desk, visit), desk.context())
        return f"/runs/{name}"

    return do


def _ask_promote(desk: Desk, name: str) -> Question:
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
    return Question(f"Promote {name}?", says, "Promote", f"/runs/{name}")


def _promote(desk: Desk, visit: Visit, name: str) -> str:
    putting_back.promote(name, _act(desk, visit), desk.context())
    return f"/runs/{name}"


# -- datasets -------------------------------------------------------------------------------------------------------


def _ask_rollback(desk: Desk, name: str) -> Question:
    dataset = desk.store.find_dataset(name)
    who = dataset.promoting or dataset.champion or "nothing"
    says = (
        f"Traffic is taken from {who}: the version before answers all callers of "
        f"{dataset.dataset} within seconds. A canary is ended by it, and the champion has all "
        "traffic again."
    )
    return Question(
        f"Roll back {dataset.dataset}?", says, "Roll back", f"/datasets/{dataset.slug}", risky=True
    )


def _rollback(desk: Desk, visit: Visit, name: str) -> str:
    done = putting_back.rollback(name, None, _act(desk, visit), None, desk.context())
    return f"/datasets/{done.slug}"


def _ask_pause(desk: Desk, name: str) -> Question:
    dataset = desk.store.find_dataset(name)
    says = (
        "Files are still taken and rows still scored; nothing trains and nothing is promoted "
        "until somebody resumes it."
    )
    return Question(f"Pause {dataset.dataset}?", says, "Pause", f"/datasets/{dataset.slug}")


def _pause(desk: Desk, visit: Visit, name: str) -> str:
    return f"/datasets/{asking.pause(name, _act(desk, visit), desk.context()).slug}"


def _ask_resume(desk: Desk, name: str) -> Question:
    dataset = desk.store.find_dataset(name)
    says = "What waited goes on with the next tick: its runs train, and what passes the gate is promoted."
    return Question(f"Resume {dataset.dataset}?", says, "Resume", f"/datasets/{dataset.slug}")


def _resume(desk: Desk, visit: Visit, name: str) -> str:
    return f"/datasets/{asking.resume(name, _act(desk, visit), desk.context()).slug}"


def _ask_threshold(desk: Desk, name: str) -> Question:
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


def _threshold(desk: Desk, visit: Visit, name: str) -> str:
    import json

    said = visit.said.get("threshold", "").strip()
    try:
        value = float(said) if said else None
    except ValueError as error:
        raise InvalidInput(
            "The threshold must be a number from 0 to 1, or nothing.",
            code="invalid-threshold",
            field="threshold",
        ) from error
    body = {"threshold": value} | ({"note": visit.said["note"]} if visit.said.get("note") else {})
    found = threshold_views.set_threshold(name, json.dumps(body).encode(), visit.session.name, desk.context())
    return f"/runs/{found.run_id}/model"


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


def _ask_refused(action: str) -> Callable[[Desk, str], Question]:
    def ask(desk: Desk, name: str) -> Question:
        view = desk.quarantine().show(name)
        word, what, risky = _REFUSED[action]
        says = f"The file {view.source.blob} {what}"
        if action in view.obstacles:
            says = f"This can't be done: {view.obstacles[action]}"
        return Question(f"{word}?", says, word, f"/quarantine/{name}", risky=risky, note=False)

    return ask


def _refused(action: Literal["release", "accept-schema", "discard"]) -> Callable[[Desk, Visit, str], str]:
    def do(desk: Desk, visit: Visit, name: str) -> str:
        done = desk.quarantine().act(name, action, visit.session.name)
        return f"/runs/{done.run_id}" if done.run_id else f"/quarantine/{name}"

    return do


# -- pipelines ----------------------------------------------------------------------------------------------------------


def _ask_pipeline(desk: Desk, name: str) -> Question:
    dataset = desk.store.find_dataset(name)
    says = (
        f"The published pipeline trains {dataset.dataset} anew on its newest data. Its model goes "
        "through gate and canary as any other."
    )
    return Question(
        f"Train {dataset.dataset} anew?", says, "Run the pipeline", f"/datasets/{dataset.slug}", note=False
    )


def _pipeline(desk: Desk, visit: Visit, name: str) -> str:
    found = desk.pipelines().trigger(name, visit.said.get("once") or "", visit.session.name)
    return f"/pipelines/{found.slug}/{quote(found.id)}"


DOINGS: Mapping[tuple[str, str], Doing] = {
    ("runs", "retry"): Doing(_ask_retry, _retry, "This is the new attempt."),
    ("runs", "cancel"): Doing(_ask_cancel, _cancel, "It is being cancelled."),
    ("runs", "approve"): Doing(_ask_approve, _decide("approved"), "Approved, in your name."),
    ("runs", "reject"): Doing(_ask_reject, _decide("rejected"), "Rejected, in your name."),
    ("runs", "promote"): Doing(_ask_promote, _promote, "All traffic goes to this version."),
    ("datasets", "rollback"): Doing(_ask_rollback, _rollback, "The version before answers again."),
    ("datasets", "pause"): Doing(_ask_pause, _pause, "Paused."),
    ("datasets", "resume"): Doing(_ask_resume, _resume, "It goes on."),
    ("datasets", "threshold"): Doing(_ask_threshold, _threshold, "The threshold is set."),
    ("quarantine", "release"): Doing(_ask_refused("release"), _refused("release"), "Released, this once."),
    ("quarantine", "accept-schema"): Doing(_ask_refused("accept-schema"), _refused("accept-schema"), "The schema is accepted."),
    ("quarantine", "discard"): Doing(_ask_refused("discard"), _refused("discard"), "Given up."),
    ("pipelines", "run"): Doing(_ask_pipeline, _pipeline, "The pipeline was asked to run."),
}  # fmt: skip


def doing(kind: str, act: str) -> Doing:
    """Raises NotFound."""
    try:
        return DOINGS[kind, act]
    except KeyError:
        raise NotFound(f"Nobody can do {act[:40]!a} here.", remedy="Go back to the overview.") from None


@dataclass(frozen=True)
class Done:
    """Where the browser goes after an act."""

    path: str
    said: str = field(default="")
