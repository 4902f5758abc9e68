"""The soak's figures, its JSON, and its section in docs/reliability.md."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "soak.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- soak: written by `make soak` -->", "<!-- soak: end -->"


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
        """Put the section in the place of the last one."""
        text = page.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        page.write_text(f"{before}{BEGIN}\n{self.section()}\n{END}{after}", encoding="utf-8")

    def section(self) -> str:
        facts = machine.facts()
        done = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.events.items()))
        when = f"{facts['time'][:10]}, commit {facts['commit'] or 'unknown'}, {self.minutes:g} minutes, seed {self.seed}"
        where = f"{facts['cores']} cores of {facts['processor']}, Python {facts['python']}, load before {facts['load_before'][0]}"
        lines = [
            f"{when}; {where}.",
            "",
            f"What was done: {done}.",
            "",
            "| figure | value | target | |",
            "|---|---|---|---|",
            *(_row(figure) for figure in self.figures),
            "",
        ]
        lines += (
            ["Not as it must be:", "", *(f"- {line}" for line in self.told)]
            if self.told
            else ["Nothing else to tell."]
        )
        return "\n".join(lines)


def _row(figure: Figure) -> str:
    sign, verdict = ("≥" if figure.at_least else "≤"), ("ok" if figure.ok else "**short**")
    note = f" ({figure.note})" if figure.note else ""
    return f"| {figure.name} | {figure.value:.5g}{note} | {sign} {figure.target:.5g} | {verdict} |"
