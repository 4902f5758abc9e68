"""Which page a path of the dashboard names."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from shared.domain.errors import NotFound
from shared.ui import acts
from shared.ui.desk import Desk, Visit
from shared.ui.questions import Done
from shared.ui.render import Page
from shared.ui.views import dataset, endpoint, home, judged, model, pipelines, quarantine, run, system

View = Callable[[Desk, Visit], Page]

#: By the words of the path, where `*` stands for a name.
VIEWS: dict[tuple[str, ...], View] = {
    (): home.home,
    ("runs",): home.runs,
    ("runs", "*"): run.story,
    ("runs", "*", "failure"): run.failure,
    ("runs", "*", "leaderboard"): run.leaderboard,
    ("runs", "*", "model"): model.model,
    ("runs", "*", "gate"): judged.gate,
    ("runs", "*", "rollout"): judged.rollout,
    ("datasets", "*"): dataset.dataset,
    ("why", "*"): system.why,
    ("system",): system.system,
    ("quarantine",): quarantine.quarantine,
    ("quarantine", "*"): quarantine.refused,
    ("pipelines",): pipelines.pipelines,
    ("pipelines", "*", "*"): pipelines.pipeline,
    ("endpoints", "*"): endpoint.details,
    ("endpoints", "*", "test"): endpoint.test,
    ("endpoints", "*", "consume"): endpoint.consume,
    ("endpoints", "*", "metrics"): endpoint.metrics,
    ("endpoints", "*", "logs"): endpoint.logs,
}


def show(path: str, desk: Desk, visit: Visit) -> Page:
    """The page of a path below `/api/dashboard`. Raises NotFound, and what its services raise."""
    words = tuple(part for part in path.split("/") if part)
    if words[:1] == ("ask",) and len(words) == 4:
        return ask(words[1], words[2], words[3], desk)
    for pattern, view in VIEWS.items():
        if len(pattern) == len(words) and all(p in ("*", w) for p, w in zip(pattern, words, strict=True)):
            names = tuple(w for p, w in zip(pattern, words, strict=True) if p == "*")
            return view(desk, Visit(visit.session, names, visit.said))
    raise NotFound("There is no such page.", remedy="Go back to the overview.")


def ask(kind: str, name: str, act: str, desk: Desk) -> Page:
    """The question before an act."""
    question = acts.doing(kind, act).ask(desk, name)
    values: dict[str, object] = {
        "question": question,
        "target": f"{kind}/{name}/{act}",
        "once": secrets.token_hex(16),
    }
    return Page("ask.html", question.title, values)


def do(path: str, desk: Desk, visit: Visit) -> Done:
    """Carry an act out; where to go then. Raises NotFound, and what its services raise."""
    words = tuple(part for part in path.split("/") if part)
    if len(words) != 4 or words[0] != "ask":
        raise NotFound("Nothing here takes a form.", remedy="Go back to the overview.")
    _, kind, name, act = words
    doing = acts.doing(kind, act)
    try:
        return Done(doing.do(desk, Visit(visit.session, (name,), visit.said), name), f"{kind}.{act}")
    finally:
        desk.settled.moved()


def said(done: str) -> str:
    """The sentence after an act; empty for a word that is none of ours."""
    kind, _, act = done.partition(".")
    found = acts.DOINGS.get((kind, act))
    return found.done if found else ""
