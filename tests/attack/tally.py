"""What an attack came to: cases by kind, what went wrong, and what the stack did beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from benchmarks.figure import Figure

MOST_MEMORY_MIB = 200.0
MOST_HEALTH_SECONDS = 1.0


@dataclass
class Tally:
    """`wrong` and the lists beside it hold one line a case, as a reader needs it to try the case again."""

    cases: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    server_errors: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    failed_scores: list[str] = field(default_factory=list)
    scores: int = 0
    #: MiB by process and kind; seconds by kind.
    risen: dict[str, dict[str, float]] = field(default_factory=dict)
    health: dict[str, float] = field(default_factory=dict)

    def expect(self, kind: str, what: str, *, held: bool, seen: object = "") -> None:
        """Count a case; one that didn't hold is told with what was seen."""
        self.cases[kind] += 1
        if not held:
            self.wrong.append(f"{kind}: {what}: {seen}")

    def answered(self, kind: str, what: str, status: int, allowed: set[int]) -> None:
        """Count a request; a 5xx that nobody allowed is an error of the server, whatever was asked."""
        if status >= 500 and status not in allowed:
            self.server_errors.append(f"{kind}: {what}: {status}")
        self.expect(kind, what, held=status in allowed, seen=status)

    def figures(self) -> list[Figure]:
        found = [Figure(f"attack_cases_{kind}", count, 1) for kind, count in sorted(self.cases.items())]
        found += [
            _none("attack_verdicts_wrong", self.wrong),
            _none("attack_5xx", self.server_errors),
            _none("attack_secrets_found", self.secrets),
            _none("attack_failed_scores", self.failed_scores, f"of {self.scores}"),
        ]
        for process, by_kind in sorted(self.risen.items()):
            found.append(_most(f"attack_memory_{process}_mib", by_kind, MOST_MEMORY_MIB))
        found.append(_most("attack_health_slowest_s", self.health, MOST_HEALTH_SECONDS))
        return found

    def told(self) -> list[str]:
        """Every line on what went wrong."""
        return [*self.wrong, *self.server_errors, *self.secrets, *self.failed_scores]


def _none(name: str, lines: list[str], note: str = "") -> Figure:
    return Figure(name, len(lines), 0, at_least=False, note=note)


def _most(name: str, by_kind: dict[str, float], limit: float) -> Figure:
    kind, value = max(by_kind.items(), key=lambda item: item[1], default=("nothing", 0.0))
    return Figure(name, value, limit, at_least=False, note=f"most under {kind}")
