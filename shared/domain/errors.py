"""Every error the product raises on purpose.

DropMLError
├── InvalidInput        the caller's or the data's fault; retrying the same thing will fail again (HTTP 400)
│   ├── InvalidTable    a dropped file that can't be taken: ends in quarantine with a report
│   └── InvalidConfig   a per-dataset configuration that can't be taken
├── InvalidSetting      the app is set up wrongly: its operator's to mend, not the caller's (HTTP 500)
├── NotFound            (HTTP 404)
├── Conflict            a conditional write lost, or a name is taken by something else (HTTP 409)
│   └── Refused         not in this state: the same again changes nothing (HTTP 409)
├── Upstream            Azure or the endpoint answered with an error (HTTP 502)
│   └── Transient       the same call may succeed later (HTTP 503)
└── Fatal               an operation ended for good; its message goes into the run (HTTP 500)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

#: Characters of an example.
MAX_EXAMPLE = 160


@dataclass(frozen=True)
class Example:
    """One value as it must not be, and one as it may be."""

    bad: str
    good: str


class DropMLError(Exception):
    """Base: a stable code, what happened, and what to do about it."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    #: Shown beside the words, where it says more than they do.
    example: Example | None = None

    def __init__(self, message: str, *, remedy: str = "", code: str | None = None, **where: object) -> None:
        """`where` names the place: file, line, column, field, row."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.error_code = code or self.code
        self.where = {k: v for k, v in where.items() if v is not None}

    def showing(self, bad: str, good: str) -> Self:
        """The same error with an example of a bad and of a good value; both are kept to a line of some length."""
        self.example = Example(_line(bad), _line(good))
        return self

    def to_dict(self) -> dict[str, object]:
        """The JSON form stored in run documents and quarantine reports."""
        doc: dict[str, object] = {"code": self.error_code, "message": self.message}
        if self.remedy:
            doc["remedy"] = self.remedy
        return doc | self.where


def _line(text: str) -> str:
    line = " ".join(text.splitlines())
    return line if len(line) <= MAX_EXAMPLE else f"{line[: MAX_EXAMPLE - 1]}…"


class InvalidInput(DropMLError):
    code = "invalid-input"
    status = 400


class InvalidTable(InvalidInput):
    code = "invalid-table"
    #: sha256 of the refused file, once it is known.
    content_hash: str | None = None


class InvalidConfig(InvalidInput):
    code = "invalid-config"
    #: Where several things are wrong, each of them, in the order of their places.
    mistakes: tuple[InvalidConfig, ...] = ()


class InvalidSetting(DropMLError):
    code = "invalid-setting"


class NotFound(DropMLError):
    code = "not-found"
    status = 404


class Conflict(DropMLError):
    code = "conflict"
    status = 409


class Refused(Conflict):
    """What is asked for can't be done as things stand; a conditional write isn't tried again for it."""


class Upstream(DropMLError):
    code = "upstream-error"
    status = 502


class Transient(Upstream):
    code = "upstream-unavailable"
    status = 503


class Fatal(DropMLError):
    code = "fatal"
