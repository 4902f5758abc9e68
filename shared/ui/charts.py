"""Charts as SVG, drawn here: they need no script, print, scale, and take their colours from the page's style.

Each gives the drawing alone; the page sets its figures beside it in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

Points = Sequence[tuple[float, float]]
#: Words along an axis, by their place.
Marks = Sequence[tuple[float, str]]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 340.0, 250.0, 58.0, 36.0, 10.0, 12.0
#: Most points of a line: more can't be told apart at this width.
MOST_POINTS = 160


def _marked(text: str) -> Markup:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - made of numbers and escaped texts


def _e(text: object) -> str:
    from markupsafe import escape

    return str(escape(text))


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def thinned(points: Points, most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most so many, first and last among them."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(at * step)] for at in range(most)]


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers between the two."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** _floor_log(raw)
    step = next(k * power for k in (1, 2, 2.5, 5, 10) if k * power >= raw * 0.999)
    first = -(-low // step)
    found = []
    while first * step <= high + step * 1e-9:
        found.append(round(first * step, 12) + 0.0)  # no minus before nought
        first += 1
    return found


def _floor_log(value: float) -> int:
    from math import floor, log10

    return floor(log10(value)) if value > 0 else 0


class Frame:
    """Axes with ticks and titles; puts values to places."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = _wide(*x), _wide(*y)

    def at(self, x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + min(max(across, 0.0), 1.0) * wide, HEIGHT - BOTTOM - min(max(up, 0.0), 1.0) * high

    def path(self, points: Points) -> str:
        return " ".join(f"{_n(x)},{_n(y)}" for x, y in (self.at(*point) for point in thinned(points)))

    def drawn(
        self,
        x_title: str,
        y_title: str,
        body: str,
        label: str,
        *,
        whole: bool = False,
        marks: Marks | None = None,
    ) -> Markup:
        """With ticks at round numbers, or with `marks` along the x axis."""
        parts = []
        for value in ticks(*self.y):
            _, y = self.at(self.x[0], value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_n(y)}" y2="{_n(y)}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{_n(y + 3.5)}" text-anchor="end">{_short(value)}</text>')
        if marks is None:
            found = [value for value in ticks(*self.x) if not whole or float(value).is_integer()]
            marks = [(value, _short(value)) for value in found]
        for value, text in marks:
            x, _ = self.at(value, self.y[0])
            parts.append(
                f'<text x="{_n(x)}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{_e(text)}</text>'
            )
        middle, up = LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT / 2 - 10
        parts.append(f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{_e(x_title)}</text>')
        parts.append(
            f'<text x="11" y="{up}" text-anchor="middle" transform="rotate(-90 11 {up})">{_e(y_title)}</text>'
        )
        return _svg(WIDTH, HEIGHT, label, "".join(parts) + body)


def _wide(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _short(value: float) -> str:
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:g}M"
    if size >= 1e4:
        return f"{value / 1e3:g}k"
    return f"{value:g}"


def _svg(width: float, height: float, label: str, body: str) -> Markup:
    return _marked(
        f'<svg class="chart" viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-label="{_e(label)}">{body}</svg>'
    )


def curve(
    points: Points,
    x_title: str,
    y_title: str,
    label: str,
    *,
    diagonal: bool = False,
    mark: int | None = None,
    other: Points = (),
) -> Markup:
    """A line in the unit square, and a dashed one beside it; `mark` is the index of a point that is set off."""
    frame = Frame((0, 1), (0, 1))
    body = ""
    if diagonal:
        body += f'<polyline class="guess" points="{frame.path([(0, 0), (1, 1)])}"/>'
    if other:
        body += f'<polyline class="line other" points="{frame.path(other)}"/>'
    body += f'<polyline class="line" points="{frame.path(points)}"/>'
    if mark is not None and points:
        x, y = frame.at(*points[mark])
        body += f'<circle class="mark" cx="{_n(x)}" cy="{_n(y)}" r="4.5"/>'
    return frame.drawn(x_title, y_title, body, label)


def dots(
    points: Points, x_title: str, y_title: str, label: str, *, diagonal: bool = False, whole: bool = False
) -> Markup:
    """Points joined by a line: few of them, each counts."""
    spread = [value for point in points for value in point] or [0.0]
    xs, ys = [x for x, _ in points] or [0.0], [y for _, y in points] or [0.0]
    if diagonal:
        frame = Frame((min(spread), max(spread)), (min(spread), max(spread)))
    else:
        room = (max(ys) - min(ys)) * 0.12 or 0.05
        frame = Frame((min(xs), max(xs)), (min(ys) - room, max(ys) + room))
    body = ""
    if diagonal:
        body += f'<polyline class="guess" points="{frame.path([(min(spread), min(spread)), (max(spread), max(spread))])}"/>'
    body += f'<polyline class="line" points="{frame.path(points)}"/>'
    for point in thinned(points, 40):
        x, y = frame.at(*point)
        body += f'<circle class="mark" cx="{_n(x)}" cy="{_n(y)}" r="3"/>'
    return frame.drawn(x_title, y_title, body, label, whole=whole)


def _bar(x: float, wide: float, y: float, tall: float, kind: str = "bar") -> str:
    return f'<rect class="{kind}" x="{_n(x)}" width="{_n(wide)}" y="{_n(y)}" height="{_n(tall)}"/>'


def bars(counts: Sequence[float], label: str, *, wide: float = 120, high: float = 30) -> Markup:
    """A small histogram without axes: its figures stand beside it."""
    top, each = max(counts, default=0) or 1, wide / max(1, len(counts))
    body = "".join(
        _bar(at * each + 0.5, max(each - 1, 0.6), high - tall, tall)
        for at, tall in enumerate(max(value / top * high, 0.6 if value else 0) for value in counts)
    )
    return _svg(wide, high, label, body)


def histogram(edges: Sequence[float], counts: Sequence[float], x_title: str, label: str) -> Markup:
    """Bars between edges, with axes."""
    frame = Frame((edges[0], edges[-1]), (0, max(counts, default=1) or 1))
    body = ""
    for low, high, value in zip(edges, edges[1:], counts, strict=False):
        (x0, y), (x1, ground) = frame.at(low, value), frame.at(high, 0)
        body += _bar(x0 + 0.5, max(x1 - x0 - 1, 0.5), y, ground - y)
    return frame.drawn(x_title, "rows", body, label)


def columns(
    values: Sequence[float], wrong: Sequence[float], marks: Marks, y_title: str, label: str
) -> Markup:
    """A column for each value, side by side; the part of it that is `wrong` stands below, in another colour."""
    frame = Frame((0, len(values)), (0, max(4.0, *values)))
    body = ""
    for at, value in enumerate(values):
        bad = wrong[at] if wrong else 0.0
        for low, high, kind in ((0.0, bad, "bar bad"), (bad, value, "bar")):
            (x0, y), (x1, ground) = frame.at(at, high), frame.at(at + 1, low)
            if high > low:
                body += _bar(x0 + 0.5, max(x1 - x0 - 1, 0.6), y, max(ground - y, 0.8), kind)
    return frame.drawn("hour (UTC)", y_title, body, label, marks=marks)


def meter(value: float, top: float, label: str) -> Markup:
    """One bar of a list of bars."""
    width = 0.0 if top <= 0 else max(0.0, min(1.0, value / top)) * 100
    return _marked(
        f'<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{_e(label)}">'
        f'<rect class="rail" width="100" height="8"/><rect class="bar" width="{_n(width)}" height="8"/></svg>'
    )


def interval(low: float, value: float, high: float, margin: float, label: str) -> Markup:
    """A difference with its interval, beside nought and the margin below it."""
    reach = max(abs(low), abs(high), abs(margin), 1e-9) * 1.15
    wide, tall = 340.0, 54.0

    def x(at: float) -> str:
        return _n(wide / 2 + at / reach * (wide / 2 - 12))

    return _svg(
        wide,
        tall,
        label,
        f'<line class="grid" x1="0" x2="{wide}" y1="22" y2="22"/><line class="axis" x1="{x(0)}" x2="{x(0)}" y1="6" y2="38"/>'
        f'<line class="margin" x1="{x(-margin)}" x2="{x(-margin)}" y1="6" y2="38"/>'
        f'<line class="line" x1="{x(low)}" x2="{x(high)}" y1="22" y2="22"/><circle class="mark" cx="{x(value)}" cy="22" r="5"/>'
        f'<text x="{x(0)}" y="50" text-anchor="middle">0</text>'
        + (
            f'<text x="{x(-margin)}" y="50" text-anchor="middle">−{_short(margin)}</text>'
            if margin > reach * 0.12
            else ""
        ),
    )
