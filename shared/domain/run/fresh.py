"""How the live model did on rows that nobody had shown it: before each training, kept as a series per dataset. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Points of a series; the oldest go.
MOST = 500


@dataclass(frozen=True)
class Point:
    """The live model `champion` on the holdout of the file of `run_id`. `low` and `high` bound `value` at 95 %; `at` is unix
    seconds.
    """

    run_id: str
    n: int
    at: float
    champion: str
    #: The registered model, `name:version`.
    model: str
    metric: str
    value: float
    rows: int
    low: float | None = None
    high: float | None = None
    #: What it reached in the same metric on the holdout of its own file, when it went through the gate.
    before: float | None = None
    #: Rows left out: known from its own file's holdout; not taken by its schema.
    known: int = 0
    left_out: int = 0
    #: Where the rows lie: the same rows are one point of a champion.
    holdout: str = ""
    #: Why another metric was taken than the primary one, or how little there is to go by.
    note: str | None = None
    #: Why the labels are in doubt.
    suspicious: str | None = None


@dataclass(frozen=True)
class Fresh:
    """What came of showing the new file to the live model before training."""

    point: Point | None = None
    #: Why it was not asked.
    skipped: str | None = None
    #: Whether the series has the point.
    listed: bool = False

    @property
    def suspicious(self) -> str | None:
        return self.point.suspicious if self.point else None


@dataclass(frozen=True)
class Series:
    """`dropml-state/performance/{slug}.json`: points in the order in which they were measured."""

    points: tuple[Point, ...] = ()

    def having(self, point: Point) -> Series:
        """With the point, unless these rows have been scored by this champion before."""
        if any((each.holdout, each.champion) == (point.holdout, point.champion) for each in self.points):
            return self
        return replace(self, points=(*self.points, point)[-MOST:])
