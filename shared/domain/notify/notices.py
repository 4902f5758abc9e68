"""What people are told of: an event of a run, a dataset or a file, in one sentence, with what to do. Pure.

A notice holds no secret and no value of a row: names of columns, line numbers and codes say where something is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

#: What can be told of, and what each event is.
EVENTS: dict[str, str] = {
    "quarantined": "a file was refused",
    "suspicious": "a file's model waits for a person, or was refused, because the live model collapses on the file",
    "failed": "a run ended without a model in production",
    "rejected": "gate, canary or a person refused a model",
    "awaiting_approval": "a model waits for a person's word",
    "live": "a version answers all calls",
    "rolled_back": "a live version lost its traffic",
    "unserved": "callers of a live model are in trouble that DropML can't mend by itself",
    "drift": "what is scored has moved away from what was trained on",
    "cap_reached": "a limit on runs or training time holds something back",
    "held": "compute or quota is missing, or all places to train are taken: something waits",
    "poison_message": "a dropped file's function failed at every try",
    "dead": "a notification could not be delivered to another receiver",
}
#: Of the dashboard: a link in a chat is opened by a person, who is signed in there or asked to.
PAGES = "/api/dashboard"
#: Characters of a sentence or remedy: what a chat shows without folding it.
MOST_CHARACTERS = 600


@dataclass(frozen=True)
class Notice:
    """One event. `id` is the same however often it is sent; `at` is unix seconds; `link` the path of a page for people."""

    id: str
    event: str
    at: float
    dataset: str
    sentence: str
    remedy: str = ""
    run_id: str = ""
    code: str = ""
    link: str = ""


def notice_id(*parts: str) -> str:
    """An id of 24 characters, the same for the same parts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def short(text: str) -> str:
    """On one line, and no longer than a chat shows."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"


def unserved(
    run_id: str, dataset: str, code: str, at: float, since: float, sentence: str, remedy: str
) -> Notice:
    """Told once of a run for each beginning of its trouble, `since`."""
    name = notice_id("unserved", code, run_id, f"{since:.3f}")
    link = f"{PAGES}/runs/{run_id}"
    return Notice(name, "unserved", at, dataset, short(sentence), short(remedy), run_id, code, link)
