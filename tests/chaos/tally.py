"""What rounds came to, kept in a file after each, so that a run that was broken off goes on and its figures add up."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks.figure import Figure
from tests.chaos.plan import BAD

BREACH_SECONDS = 10.0
#: How much a long run has to have seen; a short one may meet few of them.
LONG_MINUTES, LONG_PLANTED, LONG_BREACHES = 30.0, 40, 4


@dataclass(frozen=True)
class Recovery:
    """Seconds from the end of a trouble until callers are served again; `allowed` is its wait and two ticks."""

    kind: str
    seconds: float
    allowed: float


@dataclass
class Tally:
    """Lists have a line a finding. `judged` counts planted challengers with a verdict, `promoted` those that went live."""

    seed: int
    rounds: int = 0
    minutes: float = 0.0
    troubles: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    for_good: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    promoted: Counter[str] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    escaped: list[str] = field(default_factory=list)
    held_back: list[str] = field(default_factory=list)
    breaches: list[float] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    ledgers: int = 0
    left: int = 0
    #: Acts of the night engineer that storage had forgotten, and that were done again.
    asked_again: int = 0

    def add(self, lines: list[str], found: list[str]) -> None:
        """Each finding once, however many rounds see it."""
        lines += [line for line in found if line not in lines]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".new")
        # `asdict` of the whole would make pairs of the keys of counters
        document = vars(self) | {"recoveries": [asdict(one) for one in self.recoveries]}
        scratch.write_text(json.dumps(document, indent=1) + "\n")
        scratch.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        found: dict[str, Any] = json.loads(path.read_text())
        counters = ("troubles", "answers", "for_good", "judged", "promoted", "unjudged")
        found |= {name: Counter(found[name]) for name in counters}
        found["recoveries"] = [Recovery(**one) for one in found["recoveries"]]
        return cls(**found)

    def told(self) -> list[str]:
        """Every line that isn't as it must be."""
        late = [f"{r.kind}: back after {r.seconds:.1f} s, not {r.allowed:g} s" for r in self._late]
        again = [f"{count} calls failed for good: {what}" for what, count in self.for_good.items()]
        lines = [*self.lost, *self.doubled, *self.stuck, *self.broken, *again]
        return [*lines, *self.escaped, *self.held_back, *late, *self.failed]

    @property
    def _late(self) -> list[Recovery]:
        return [one for one in self.recoveries if one.seconds > one.allowed]

    def figures(self) -> list[Figure]:
        calls, better = sum(self.answers.values()), self.judged["better"]
        bad = sum(self.judged[kind] for kind in BAD)
        long = self.minutes >= LONG_MINUTES
        kinds = ", ".join(f"{self.judged[kind]} {kind}" for kind in BAD if self.judged[kind])
        good = ", ".join(f"{self.promoted[k]} of {self.judged[k]} {k}" for k in ("equal", "noise-better"))
        answers = ", ".join(f"{count} x {what}" for what, count in self.answers.most_common(8))
        return [
            Figure("chaos_rounds", self.rounds, 1),
            Figure("chaos_faults_injected", sum(self.troubles.values()), 1),
            Figure("chaos_calls", calls, 1, note=answers),
            _none("lost", self.lost),
            _none("doubled", self.doubled),
            _none("stuck", self.stuck),
            _none("invariants_broken", self.broken, f"{self.ledgers} ledgers read"),
            _most("calls_failed_for_good", sum(self.for_good.values()), 0, f"of {calls}"),
            Figure("chaos_breaches", len(self.breaches), LONG_BREACHES if long else 0),
            _most("breach_to_champion_p95_s", p95(self.breaches), BREACH_SECONDS),
            Figure("chaos_bad_challengers", bad, LONG_PLANTED if long else 1, note=kinds),
            _none("bad_beyond_canary", self.escaped, f"of {bad}"),
            Figure(
                "chaos_better_promoted",
                self.promoted["better"] / better if better else 0.0,
                0.95,
                note=f"{self.promoted['better']} of {better}; {good}",
            ),
            _most("recoveries_late", len(self._late), 0, self._slowest()),
            _none("deeds_failed", self.failed),
            _most("acts_asked_again", self.asked_again, self._storage_killed),
            _most("processes_left", self.left, 0),
        ]

    @property
    def _storage_killed(self) -> int:
        """How often Azurite was killed: each time it may forget an act or two of the five seconds before."""
        return 2 * sum(count for kind, count in self.troubles.items() if "kill" in kind and "azurite" in kind)

    def _slowest(self) -> str:
        slowest = max(self.recoveries, key=lambda one: one.seconds - one.allowed, default=None)
        if slowest is None:
            return "of 0"
        return f"of {len(self.recoveries)}; {slowest.kind}: {slowest.seconds:.1f} s of {slowest.allowed:g} s"


def p95(values: list[float]) -> float:
    """The least of the values that 19 of 20 don't exceed; 0 without any."""
    ordered = sorted(values)
    return ordered[max(0, -(-19 * len(ordered) // 20) - 1)] if ordered else 0.0


def _most(name: str, value: float, target: float, note: str = "") -> Figure:
    return Figure(f"chaos_{name}", value, target, at_least=False, note=note)


def _none(name: str, lines: list[str], note: str = "") -> Figure:
    return _most(name, len(lines), 0, note)
