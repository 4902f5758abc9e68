"""The forms in which refused files are shown: a page of them, and one with its report and the lines that offend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.domain.errors import InvalidInput, InvalidTable, NotFound
from shared.domain.run.parts import Action, Decision, Outcome, RunProblem, Source
from shared.domain.table.text import TextReader
from shared.services.run.summary import RefusedSummary
from shared.services.run.views import PageQuery

#: Characters of the original that are read to find a line, and those of each line that are shown.
MOST_READ, MOST_SHOWN = 64 << 20, 500
#: Lines shown before and after the one that is wrong.
AROUND = 1
WAITING = "waiting"
ACTIONS: tuple[Action, ...] = ("release", "accept-schema", "discard")
OUTCOMES: tuple[Outcome, ...] = (*ACTIONS, "mended")


@dataclass(frozen=True)
class RefusedList:
    """Newest first. `cursor` asks for what comes after, None at the end."""

    files: tuple[RefusedSummary, ...]
    cursor: str | None = None


@dataclass(frozen=True)
class OffendingLine:
    """A line of the file as it is, cut where it is long."""

    line: int
    text: str
    wrong: bool


@dataclass(frozen=True)
class RefusedView:
    """A refused file. `run_id` is None where it got no run; `report` is the text for a reader; `at` is unix seconds."""

    id: str
    dataset: str
    run_id: str | None
    at: float
    source: Source
    problem: RunProblem
    report: str
    lines: tuple[OffendingLine, ...] = ()
    decision: Decision | None = None
    #: What can be done with it now, and why the rest can't.
    actions: tuple[Action, ...] = ()
    obstacles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RefusedQuery:
    """What the list is narrowed to; `decided` is waiting, or what became of it."""

    page: PageQuery = field(default_factory=PageQuery)
    dataset: str | None = None
    decided: str | None = None

    @staticmethod
    def parse(params: Mapping[str, str]) -> RefusedQuery:
        """From the query string; raises InvalidInput naming the parameter."""
        decided = params.get("decided")
        if decided is not None and decided not in (WAITING, *OUTCOMES):
            raise InvalidInput(
                f"There is no decision {decided[:50]!r}.",
                remedy=f"One of {', '.join((WAITING, *OUTCOMES))}.",
                field="decided",
            )
        return RefusedQuery(PageQuery.parse(params), params.get("dataset"), decided)

    def wants(self, _: str, found: RefusedSummary) -> bool:
        if self.dataset is not None and found.dataset != self.dataset:
            return False
        return self.decided in (None, found.decision or WAITING)


def around(pieces: Iterator[bytes], encoding: str, line: int) -> tuple[OffendingLine, ...]:
    """The line (from 1) and its neighbours, read no further than needed; empty where it can't be reached."""
    found: list[OffendingLine] = []
    first, last, at, read = max(1, line - AROUND), line + AROUND, 1, 0
    try:
        for block in TextReader(pieces, encoding).blocks():
            read += len(block)
            ends = at + block.count("\n")
            if ends > first:
                found += [
                    OffendingLine(number, text[:MOST_SHOWN], number == line)
                    for number, text in enumerate(block[:-1].split("\n"), at)
                    if first <= number <= last
                ]
            at = ends
            if at > last or read > MOST_READ:
                break
    except (InvalidTable, NotFound):  # what makes it unreadable, or that it is gone, is told already
        return tuple(found)
    return tuple(found)
