"""How a command ends other than well: an exit code, a sentence, and the command that comes next."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Exit codes; a script may rest on them."""

    OK = 0
    ERROR = 1
    USAGE = 2
    QUARANTINED = 3
    FAILED = 4
    REJECTED = 5
    TIMEOUT = 6
    UNAUTHORISED = 7
    INTERRUPTED = 130


#: What the end of a run means to whoever waited for it; anything else is an error.
ENDS = {
    "live": Code.OK,
    "quarantined": Code.QUARANTINED,
    "failed": Code.FAILED,
    "rejected": Code.REJECTED,
}


class Stop(Exception):
    """Ends the command: `message` and then "Next: `then`" on stderr."""

    def __init__(self, message: str, then: str, code: Code = Code.ERROR) -> None:
        super().__init__(message)
        self.message, self.then, self.code = message, then, code


def end_of(state: str) -> Code:
    return ENDS.get(state, Code.ERROR)
