"""Conditional writes that lose a race are decided anew: paced, and only so often."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from shared.domain.errors import Conflict, Refused

T = TypeVar("T")

#: Tries of one write. With the pauses between them a write gives up after 3 seconds on average, 6 at most.
TRIES = 10
#: Seconds: the longest pause before the second try doubles up to the longest of all.
FIRST_PAUSE, MAX_PAUSE = 0.02, 1.5


def write(
    attempt: Callable[[], T],
    what: str,
    *,
    tries: int = TRIES,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The result of `attempt`, which reads, decides and writes; again from the start whenever it raises Conflict.

    Pauses are drawn between nothing and a limit that doubles, so that writers who met once don't meet again. Raises
    Conflict (write-contention) once `tries` are used up; `what` names the document in it.
    """
    for tried in range(1, tries + 1):
        try:
            return attempt()
        except Refused:  # no race was lost
            raise
        except Conflict as error:
            if tried == tries:
                raise Conflict(
                    f"{what} could not be written: others were first {tries} times in a row. {error.message}",
                    remedy="Try again in a moment. If it lasts, look for something that writes it all the time.",
                    code="write-contention",
                ) from error
        sleep(random.uniform(0, min(MAX_PAUSE, FIRST_PAUSE * 2 ** (tried - 1))))
    raise ValueError(f"{tries} tries are none.")
