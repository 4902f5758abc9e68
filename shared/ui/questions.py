"""What is asked before an act, and what an act is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.domain.errors import Conflict, InvalidInput
from shared.domain.names import is_request_id
from shared.domain.rows import remarks
from shared.domain.run.acts import Act
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
    #: Why it can't be done as things stand; then there is no button.
    obstacle: str = ""
    #: What goes with the answer unseen, so that what is done is what was asked: names and values.
    kept: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Doing:
    """An act: how it is asked, how it is done (to the path where its result is), and what is said after."""

    ask: Callable[[Desk, str], Question]
    do: Callable[[Desk, Visit, str], str]
    done: str


def hindered(check: Callable[[], object]) -> str:
    """What a check refuses with; empty where it passes."""
    try:
        check()
    except Conflict as error:
        return f"{error.message} {error.remedy}".strip()
    return ""


def act_of(desk: Desk, visit: Visit) -> Act:
    note = visit.said.get("note", "").strip()
    if len(note) > remarks.MOST:
        raise InvalidInput(f"A note has at most {remarks.MOST} characters.", field="note")
    return Act(visit.session.name, round(desk.now, 3), note)


def once_of(visit: Visit) -> str:
    """What names this answer to the question, however often it is sent. Raises InvalidInput."""
    once = visit.said.get("once", "")
    if not is_request_id(once):
        raise InvalidInput(
            f"The form's field once is {once[:40]!a}; it must be 1 to 64 letters, digits, dashes and underscores.",
            remedy="Open the page again and press the button there.",
            field="once",
        )
    return once


@dataclass(frozen=True)
class Done:
    """Where the browser goes after an act."""

    path: str
    said: str = field(default="")
