"""The profile of a table, as it lies in `profile.json` beside the snapshot: what each column holds, and what is odd about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.domain.schema import ColumnType

#: Most characters of a value that is shown, and most values of a column.
SHOWN, FREQUENT = 80, 20
#: The quantiles kept: 0, 0.05, ... 1.
QUANTILES = tuple(step / 20 for step in range(21))
#: Most bins of a histogram.
BINS = 20

FindingCode = Literal["leakage", "identifier", "constant", "empty", "duplicate"]
#: Findings that are warnings of the run, too.
TOLD: frozenset[FindingCode] = frozenset({"leakage", "identifier", "constant", "empty"})


@dataclass(frozen=True)
class Frequent:
    """A value and in how many rows of the sample it stands; `share` is of the sample's rows, gaps included."""

    value: str
    count: int
    share: float


@dataclass(frozen=True)
class Histogram:
    """Rows of the sample in bins of equal width: `counts[i]` from `edges[i]` to below the next (the last one: up to it)."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ColumnProfile:
    """One column. Type, gaps (rows without a value), minimum and maximum are of all rows, and so is `distinct` (values that
    differ, gaps left out), but an estimate where `distinct_exact` is false. All else is of `sampled` rows; of those,
    `sampled_gaps` have no value.
    """

    name: str
    type: ColumnType
    rows: int
    gaps: int
    distinct: int
    distinct_exact: bool
    sampled: int = 0
    sampled_gaps: int = 0
    minimum: float | None = None
    maximum: float | None = None
    #: Of dates, the first and the last of the sample as they are written.
    earliest: str = ""
    latest: str = ""
    #: Of numbers, at `QUANTILES`; empty for all else.
    quantiles: tuple[float, ...] = ()
    #: The most frequent first.
    frequent: tuple[Frequent, ...] = ()
    histogram: Histogram | None = None


@dataclass(frozen=True)
class ClassShare:
    """How many rows of the whole table are of a class."""

    value: str
    rows: int
    share: float


@dataclass(frozen=True)
class Finding:
    """Something odd about columns, in a sentence, and what to do about it."""

    code: FindingCode
    columns: tuple[str, ...]
    message: str
    remedy: str

    @property
    def sentence(self) -> str:
        return f"{self.message} {self.remedy}"


@dataclass(frozen=True)
class Profile:
    """A table's profile. `sampled` rows of `rows` were looked at closely, drawn evenly from all of them: all, where both are
    the same. `balance` is the label's, the most frequent class first; a regression has none.
    """

    label: str
    rows: int
    sampled: int
    columns: tuple[ColumnProfile, ...]
    balance: tuple[ClassShare, ...] = ()
    findings: tuple[Finding, ...] = ()
    schema: int = 1

    def column(self, name: str) -> ColumnProfile | None:
        return next((column for column in self.columns if column.name == name), None)
