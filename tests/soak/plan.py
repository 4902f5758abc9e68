"""What happens in a soak, and when: drawn from a seed, so that the same seed makes the same trouble again."""

from __future__ import annotations

import random
from dataclasses import dataclass

#: Trouble happens in this share of the time; in the rest growth can be seen.
TROUBLED = 0.65
PARTS = ("host", "azureml", "azurite")
#: How often each kind is drawn; all are met once before any is met again.
KINDS = (
    "upload", "promote", "kill host", "kill azureml", "kill azurite", "kill endpoint", "kill trainer",
    "pause host", "pause azureml", "pause azurite", "pause endpoint", "clock forward", "clock back", "rotate",
)  # fmt: skip
QUIET_KINDS = ("upload", "promote", "rotate")


@dataclass(frozen=True)
class Event:
    """`at` is in seconds from the beginning; `amount` in seconds (of a pause, of a jump)."""

    at: float
    kind: str
    amount: float


def plan(seconds: float, seed: int, *, apart: float = 14.0) -> list[Event]:
    """Events about `apart` seconds from one another; trouble first, then only what people do every day."""
    dice = random.Random(seed)
    events: list[Event] = []
    at, waiting = 0.0, list[str]()
    while (at := at + dice.uniform(0.6, 1.4) * apart) < seconds:
        if at > seconds * TROUBLED:
            kind = dice.choice(QUIET_KINDS)
        else:
            if not waiting:
                waiting = list(KINDS)
                dice.shuffle(waiting)
            kind = waiting.pop()
        events.append(Event(round(at, 1), kind, _amount(kind, dice)))
    return events


def _amount(kind: str, dice: random.Random) -> float:
    if kind.startswith("pause"):
        return round(dice.uniform(4, 20), 1)
    if kind == "clock forward":
        return round(dice.uniform(600, 3600))
    if kind == "clock back":
        return round(-dice.uniform(300, 900))
    return 0.0
