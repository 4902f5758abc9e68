"""The last report of a long command, in its place on docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks import machine
from benchmarks.figure import Figure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def marks(command: str) -> tuple[str, str]:
    """What stands before and after the command's report."""
    return f"<!-- {command}: written by `make {command}` -->", f"<!-- {command}: end -->"


def publish(
    command: str, how: str, figures: Iterable[Figure], told: Iterable[str], page: Path = PAGE
) -> None:
    """Put the report in the place of the last one; `how` says in words what was done, `told` what isn't as it must be."""
    begin, end = marks(command)
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    report = "\n".join([_when(), "", how, "", *_table(figures), "", *_told(list(told))])
    page.write_text(f"{before}{begin}\n{report}\n{end}{after}", encoding="utf-8")


def _when() -> str:
    facts = machine.facts()
    where = f"{facts['cores']} cores, Python {facts['python']}"
    return f"{facts['time'][:10]}, commit {facts['commit'] or 'unknown'}; {where}, load at the end {facts['load_before'][0]}."


def _table(figures: Iterable[Figure]) -> list[str]:
    lines = ["| figure | value | target | |", "|---|---|---|---|"]
    for figure in figures:
        sign, verdict = ("≥" if figure.at_least else "≤"), ("ok" if figure.ok else "**short**")
        note = f" ({figure.note})" if figure.note else ""
        lines.append(f"| {figure.name} | {figure.value:.5g}{note} | {sign} {figure.target:.5g} | {verdict} |")
    return lines


def _told(lines: list[str]) -> list[str]:
    if not lines:
        return ["Nothing else to tell."]
    return ["Not as it must be:", "", *(f"- `{_quoted(line)}`" for line in lines)]


def _quoted(line: str) -> str:
    """A file's own name may be anything."""
    return line.replace("`", "'")
