"""What goes wrong in each round, and which challengers are planted: drawn from a seed, round by round.

A round's trouble depends on the seed and its number alone, so that a run that was broken off goes on where it was.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

PROCESSES = ("host", "azureml", "azurite", "endpoint", "trainer")
#: Ordered of the emulator for a while (`dropml/azureml/front/faults.py`).
CLOUD = ("429", "500", "503", "hang", "delay", "drop", "half_write", "truncate", "stale_read")
KINDS = (
    *(f"kill {name}" for name in PROCESSES),
    *(f"kill {one}+{other}" for one, other in itertools.combinations(PROCESSES, 2)),
    *(f"pause {name}" for name in PROCESSES),
    "outage azurite", "outage azureml",
    *(f"cloud {name}" for name in CLOUD),
    "hostile files", "hostile requests", "untold files",
    "two hosts", "two hosts kill", "clock forward", "clock back", "crowd", "same file", "rotate",
)  # fmt: skip
#: Challengers that must not get more than a canary's traffic: by the labels of their file, or by how they answer.
BAD = ("worse", "shuffled", "inverted", "skewed", "slow", "failing", "breaking")
GOOD = ("equal", "noise-better")
FAULTS_A_ROUND = 3


@dataclass(frozen=True)
class Trouble:
    """`amount` is in seconds: of a pause, an outage, a jump of the clock."""

    kind: str
    amount: float


@dataclass(frozen=True)
class Round:
    """`plants` has what each lane plants, one after the other. `number` counts from 0."""

    number: int
    troubles: tuple[Trouble, ...]
    plants: tuple[tuple[str, ...], ...]


def round_of(seed: int, number: int, *, lanes: int = 2, bad: int = 2) -> Round:
    """The round of that number. Every kind of trouble is met before any is met again, and so is every bad challenger."""
    dice = random.Random(f"{seed}/{number}/amounts")
    kinds = _dealt(KINDS, seed, number * FAULTS_A_ROUND, FAULTS_A_ROUND)
    hands = [_dealt(BAD, seed, (number * lanes + lane) * bad, bad) for lane in range(lanes)]
    plants = tuple((*hand, dice.choice(GOOD)) for hand in hands)
    return Round(number, tuple(Trouble(kind, _amount(kind, dice)) for kind in kinds), plants)


def _dealt(kinds: tuple[str, ...], seed: int, begin: int, count: int) -> list[str]:
    """Cards number `begin` and following of one shuffled deck after the other."""
    return [_deck(kinds, seed, i // len(kinds))[i % len(kinds)] for i in range(begin, begin + count)]


def _deck(kinds: tuple[str, ...], seed: int, number: int) -> list[str]:
    deck = list(kinds)
    random.Random(f"{seed}/{number}/{kinds[0]}").shuffle(deck)
    return deck


def _amount(kind: str, dice: random.Random) -> float:
    if kind == "clock forward":
        return round(dice.uniform(600, 3600))
    if kind == "clock back":
        return round(-dice.uniform(300, 900))
    if kind.startswith(("pause", "outage", "cloud", "two")):
        return round(dice.uniform(5, 20), 1)
    return 0.0
