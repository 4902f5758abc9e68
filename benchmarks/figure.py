"""One figure of a benchmark: what was measured, against which target, and whether that is met."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """`at_least` tells which side of the target is good; `rounds` are the values that a median stands for."""

    name: str
    value: float
    target: float
    at_least: bool = True
    note: str = ""
    rounds: tuple[float, ...] = ()

    @property
    def ok(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target

    def line(self) -> str:
        """`figure NAME VALUE TARGET ok|short`, and the note."""
        sign = ">=" if self.at_least else "<="
        note = f" ({self.note})" if self.note else ""
        verdict = "ok" if self.ok else "short"
        return f"figure {self.name} {self.value:.5g} {sign}{self.target:.5g} {verdict}{note}"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}
