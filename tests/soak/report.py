"""What came of a soak, as JSON and on docs/reliability.md."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.figure import Figure
from tests.support.published import PAGE, publish

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "soak.json"


@dataclass(frozen=True)
class Report:
    """`told` has a line for everything that isn't as it must be."""

    minutes: float
    seed: int
    figures: list[Figure]
    events: Counter[str]
    told: list[str]

    def save(self) -> None:
        RESULTS.parent.mkdir(exist_ok=True)
        document: dict[str, Any] = {"machine": machine.facts(), "minutes": self.minutes, "seed": self.seed}
        document |= {
            "events": dict(self.events),
            "figures": [one.to_dict() for one in self.figures],
            "told": self.told,
        }
        RESULTS.write_text(json.dumps(document, indent=1) + "\n")

    def publish(self, page: Path = PAGE) -> None:
        done = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.events.items()))
        publish("soak", f"{self.minutes:g} minutes, seed {self.seed}: {done}.", self.figures, self.told, page)
