"""How times, numbers and states are said on a page."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal

from shared.domain.canary import BOUNDS
from shared.domain.run.states import OPEN, State

Tone = Literal["good", "busy", "warn", "bad", "plain"]
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))

#: What a state means, and what happens next.
MEANING: dict[State, str] = {
    State.DROPPED: "The file has arrived and is looked at next.",
    State.VALIDATING: "Its rows and columns are checked; then the data is registered.",
    State.QUARANTINED: "The file was refused. It waits in quarantine for a decision, or for a corrected file.",
    State.REGISTERED: "The data is registered; the AutoML job is submitted next.",
    State.TRAINING: "The AutoML job trains. Trials appear on the leaderboard as they end.",
    State.TRAINED: "The job is done; its best model is registered next.",
    State.MODEL_REGISTERED: "The model is registered; its deployment is made next.",
    State.DEPLOYING: "The deployment comes up. It has no traffic yet.",
    State.VERIFYING: "The deployment is asked for real rows before anybody relies on it.",
    State.GATE: "Champion and challenger answer the same held-out rows.",
    State.AWAITING_APPROVAL: "It passed as far as rules can tell, and waits for a person's word.",
    State.CANARY: "It has a share of live traffic and is watched.",
    State.LIVE: "It answers all callers.",
    State.REJECTED: "The gate or a person kept it from traffic. What was live stays live.",
    State.RETIRED: "A newer version took its place. It can be put back while its deployment stands.",
    State.ROLLED_BACK: "Traffic went back to another version.",
    State.FAILED: "It ended with an error; what was live stays live.",
    State.CANCELLED: "It was cancelled; what was live stays live.",
}
_TONES: dict[State, Tone] = {
    State.LIVE: "good",
    State.FAILED: "bad",
    State.QUARANTINED: "warn",
    State.AWAITING_APPROVAL: "warn",
    State.ROLLED_BACK: "warn",
}
CAUSES = {
    "drop": "a dropped file",
    "retrain": "the retraining schedule",
    "drift": "drift of live data",
    "pipeline": "the published pipeline",
    "retry": "a retry",
    "release": "a release from quarantine",
    "accept-schema": "an accepted schema",
}


def tone(state: str) -> Tone:
    """The colour of a state's badge; every badge says the state in words, too."""
    known = State(state) if state in set(State) else None
    if known is None:
        return "plain"
    return "busy" if known in OPEN and known not in _TONES else _TONES.get(known, "plain")


def said(state: str) -> str:
    """`model_registered` as people read it."""
    return state.replace("_", " ")


def sentence(text: str) -> str:
    """With its first letter tall, as a line of its own begins."""
    return text[:1].upper() + text[1:]


def meaning(state: str) -> str:
    return MEANING[State(state)] if state in set(State) else ""


def cause(name: str) -> str:
    return CAUSES.get(name, name)


def stamp(at: float) -> str:
    """`2026-11-29 00:34:51 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def span(seconds: float | None) -> str:
    """`2 d 4 h`, `3 min 20 s`, `0.4 s`: two units at most."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    left = round(seconds)
    for at, (size, name) in enumerate(_UNITS):
        if left >= size:
            whole, rest = divmod(left, size)
            below = _UNITS[at + 1] if at + 1 < len(_UNITS) else None
            more = rest // below[0] if below else 0
            return f"{whole} {name} {more} {below[1]}" if below and more else f"{whole} {name}"
    return "0 s"


def within(milliseconds: float | None) -> str:
    """Up to how long most answers took, as counts by `canary.BOUNDS` know it."""
    if milliseconds is None:
        return "–"
    return f"≤ {milliseconds:g} ms" if milliseconds <= BOUNDS[-1] else f"> {BOUNDS[-1]} ms"


def ago(at: float, now: float) -> str:
    """`3 min ago`, `in 20 s`; one unit."""
    seconds = now - at
    if abs(seconds) < 5:
        return "just now"
    left = abs(seconds)
    size, name = next(((s, n) for s, n in _UNITS if left >= s), (1, "s"))
    text = f"{int(left // size)} {name}"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def number(value: object, digits: int = 4) -> str:
    """A number to so many significant digits; a dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return count(int(value))
    size = abs(value)
    if size >= 10**digits:
        return count(round(value))
    if size < 1e-4:
        return f"{value:.2e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    return f"{value:.{decimals}f}".rstrip("0") if decimals else count(round(value))


def score(value: object) -> str:
    """A metric, to four decimals so that a column of them lines up."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:.4f}" if abs(value) < 1000 else number(value)


def signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}".replace("-", "−")


def share(value: float | None, digits: int = 1) -> str:
    """A share (0 to 1) in percent; a little is never told as none, nor nearly all as all."""
    if value is None:
        return "–"
    least = 10.0**-digits
    if 0 < value * 100 < least / 2:
        return f"< {least:.{digits}f} %"
    if 0 < (1 - value) * 100 < least / 2:
        return f"> {100 - least:.{digits}f} %"
    return f"{value * 100:.{digits}f} %"


def count(value: int | None) -> str:
    """`32 950`, with narrow spaces that don't break."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def counted(value: int, one: str, more: str = "") -> str:
    """`1 trial`, `12 trials`."""
    return f"{count(value)} {one if value == 1 else more or one + 's'}"


def size(value: int) -> str:
    """Bytes, as people say them."""
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
