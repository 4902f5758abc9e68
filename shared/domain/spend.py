"""What training has been let through today, and what is under way: counted before anything is begun. Pure.

A training is counted with all the minutes that it may take; once it is over, with those that it took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

#: Days that the clock may stand before the document's before that is taken for a mistake.
_AHEAD = timedelta(days=1)
#: Minutes by which a sum of them may be off.
_ROUNDED = 1e-7


@dataclass(frozen=True)
class Caps:
    """The most a day (UTC): trainings begun, and minutes of them. 0 is no limit."""

    runs: int = 0
    minutes: float = 0.0

    @property
    def any(self) -> bool:
        return bool(self.runs or self.minutes)


@dataclass(frozen=True)
class Admission:
    """A training under way: whose it is, the minutes that it is counted with, and the day that it counts for."""

    slug: str
    minutes: float
    day: str


@dataclass(frozen=True)
class Refusal:
    """Why a training waits. `tomorrow` tells a day's cap from a place that becomes free."""

    code: str
    message: str
    remedy: str
    tomorrow: bool


@dataclass(frozen=True)
class Spend:
    """`dropml-state/spend.json`: what was let through on `day`, by dataset, and all that is under way, by its key."""

    day: str = ""
    runs: dict[str, int] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    open: dict[str, Admission] = field(default_factory=dict)

    def on(self, at: float) -> Spend:
        """As of that moment: a new day has spent nothing. A clock that was put back starts no day anew."""
        today = datetime.fromtimestamp(at, UTC).date()
        known = _date(self.day)
        if known is not None and known - _AHEAD <= today <= known:
            return self
        return Spend(today.isoformat(), open=self.open)

    def refusal(self, slug: str, minutes: float, app: Caps, own: Caps, places: int) -> Refusal | None:
        """Why a training of so many minutes at most can't begin now; None where it can. `places` of 0 is no limit."""
        for who, name, caps, begun, spent in (
            (f"the dataset {slug}", "daily_", own, self.runs.get(slug, 0), self.minutes.get(slug, 0.0)),
            ("the app", "DAILY_", app, sum(self.runs.values()), sum(self.minutes.values())),
        ):
            if caps.runs and begun >= caps.runs:
                return _cap(f"{begun} of {caps.runs} trainings of {who} were begun today", name + "runs")
            if caps.minutes and spent + minutes > caps.minutes + _ROUNDED:
                said = (
                    f"{spent:.4g} of {caps.minutes:g} minutes of training of {who} are taken today, and this one may "
                    f"take {minutes:g}"
                )
                return _cap(said, name + "training_minutes", too_long=minutes > caps.minutes)
        if places and len(self.open) >= places:
            return Refusal(
                "trainings-full",
                f"{len(self.open)} trainings are under way, and {places} may be at a time: it waits for a place.",
                "None is needed; MAX_OPEN_TRAININGS lets more train at a time.",
                tomorrow=False,
            )
        return None

    def admitted(self, key: str, slug: str, minutes: float) -> Spend:
        return replace(
            self,
            runs={**self.runs, slug: self.runs.get(slug, 0) + 1},
            minutes={**self.minutes, slug: self.minutes.get(slug, 0.0) + minutes},
            open={**self.open, key: Admission(slug, minutes, self.day)},
        )

    def over(self, ended: Mapping[str, float | None]) -> Spend:
        """Without trainings that are over, with the minutes that each took; None: it was never begun."""
        runs, minutes = dict(self.runs), dict(self.minutes)
        for key, took in ended.items():
            was = self.open[key]
            if was.day != self.day:
                continue
            runs[was.slug] -= took is None
            minutes[was.slug] = max(0.0, minutes[was.slug] - was.minutes + (took or 0.0))
        return replace(
            self,
            runs=runs,
            minutes=minutes,
            open={key: admission for key, admission in self.open.items() if key not in ended},
        )


def _cap(said: str, setting: str, *, too_long: bool = False) -> Refusal:
    name = setting if setting[0].islower() else setting.upper()
    lower = "lower timeout_minutes, or " if too_long else ""
    when = "It would never fit" if too_long else "It waits until tomorrow (UTC)"
    return Refusal(
        "cap-reached", f"{said}. {when}.", f"To train earlier, {lower}raise {name}.", tomorrow=True
    )


def _date(day: str) -> date | None:
    try:
        return datetime.fromisoformat(day).date()
    except ValueError:
        return None
