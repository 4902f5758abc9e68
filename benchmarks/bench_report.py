"""What a benchmark leaves behind: a table, a plot, and how it compares."""

from __future__ import annotations

from html import escape
from typing import Any

from benchmarks.bench_tools import Result
from benchmarks.figure import Figure

#: Differences below this are noise on a shared machine.
NOISE = 0.15


def table(results: list[Result]) -> str:
    columns = {"target": -10, "tool": -5, "conc": 4, "requests": 9, "req/s": 9, "p50 ms": 8}
    columns |= {"p95 ms": 8, "p99 ms": 8, "errors": 6}
    head = " ".join(f"{name:{'<' if w < 0 else '>'}{abs(w)}}" for name, w in columns.items()) + "  keep-alive"
    lines = [head, "-" * len(head)]
    for r in results:
        lines.append(
            f"{r.target:10} {r.tool:5} {r.concurrency:>4} {r.requests:>9} {r.rate:>9.1f} {r.p50_ms:>8.3f}"
            f" {r.p95_ms:>8.3f} {r.p99_ms:>8.3f} {r.errors:>6}  {'yes' if r.kept_alive else 'no'}"
        )
    return "\n".join(lines)


def _before(baseline: dict[str, Any], r: Result) -> dict[str, Any] | None:
    """The baseline's result of the same measurement."""
    for old in baseline.get("results", []):
        same = (old["target"], old["tool"], old["concurrency"]) == (r.target, r.tool, r.concurrency)
        if same and old["p50_ms"] and old["rate"]:
            return dict(old)
    return None


def compare(results: list[Result], baseline: dict[str, Any]) -> list[str]:
    """One sentence per result that also stands in the baseline."""
    lines = []
    for r in results:
        old = _before(baseline, r)
        if old is None:
            continue
        p50, rate = r.p50_ms / old["p50_ms"] - 1, r.rate / old["rate"] - 1
        word = "same within noise"
        if p50 < -NOISE or rate > NOISE:
            word = "better"
        if p50 > NOISE or rate < -NOISE:
            word = "worse"
        lines.append(
            f"{r.target}, {r.tool}, {r.concurrency} connections: {word} (p50 {p50:+.0%}, throughput {rate:+.0%})"
        )
    return lines


def figures(results: list[Result], baseline: dict[str, Any]) -> list[Figure]:
    """Each result's p50, throughput and errors; the baseline, give or take noise, is the target."""
    found = []
    for r in results:
        old, name = _before(baseline, r) or r.to_dict(), f"{r.target}_{r.tool}_{r.concurrency}"
        found += [
            Figure(f"{name}_p50_ms", r.p50_ms, old["p50_ms"] * (1 + NOISE), at_least=False),
            Figure(f"{name}_per_s", r.rate, old["rate"] * (1 - NOISE)),
            Figure(f"{name}_errors", r.errors, 0, at_least=False),
        ]
    return found


def plot(results: list[Result]) -> str:
    """Throughput and p50 as bars, one pair per result, in SVG."""
    width, row, left = 760, 30, 190
    height = 60 + row * len(results)
    most_rate = max((r.rate for r in results), default=1) or 1
    most_p50 = max((r.p50_ms for r in results), default=1) or 1
    half = (width - left - 40) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="28" font-weight="bold">requests per second</text>',
        f'<text x="{left + half + 20}" y="28" font-weight="bold">p50, ms (shorter is better)</text>',
    ]
    for at, r in enumerate(results):
        y = 44 + at * row
        label = escape(f"{r.target}, {r.tool}, {r.concurrency} conn.")
        parts.append(f'<text x="{left - 10}" y="{y + 15}" text-anchor="end">{label}</text>')
        for x, value, most, color, form in (
            (left, r.rate, most_rate, "#1f6feb", "{:,.0f}"),
            (left + half + 20, r.p50_ms, most_p50, "#bf5700", "{:.2f}"),
        ):
            length = (half - 60) * value / most
            parts.append(f'<rect x="{x}" y="{y}" width="{length:.1f}" height="20" fill="{color}"/>')
            parts.append(f'<text x="{x + length + 5:.1f}" y="{y + 15}">{form.format(value)}</text>')
    return "\n".join([*parts, "</svg>", ""])
