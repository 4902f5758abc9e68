"""The keys of a dataset's configuration, and what each takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from shared.domain.automl_names import ALGORITHMS, GATE_METRICS, PRIMARY_METRICS

#: Makes a checked value of what stands in a file, or raises ValueError with what the field takes.
Parse = Callable[[object], object]


def _text(value: object) -> str:
    if isinstance(value, bool):
        raise ValueError(
            "text; put it in quotation marks (YAML reads yes, no, true and false as truth values)"
        )
    if not isinstance(value, str | int | float) or not str(value).strip():
        raise ValueError("text that is not empty")
    return str(value).strip()


def _choice(*known: str) -> Callable[[object], str]:
    plain = {name.replace("_", "").casefold(): name for name in known}

    def parse(value: object) -> str:
        # YAML reads a bare `off` as false.
        text = "off" if value is False else str(value) if isinstance(value, str) else ""
        found = plain.get(text.strip().replace("_", "").replace("-", "").casefold())
        if found is None:
            raise ValueError(f"one of {', '.join(known)}" + guess(text, known))
        return found

    return parse


def _number(low: float, high: float, what: str) -> Parse:
    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(what)  # NaN, too: it compares with nothing
        return float(value)

    return parse


def _whole(low: int, high: int) -> Parse:
    what = f"a whole number from {low} to {high}"

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(what)
        if value != value // 1:
            raise ValueError(what)
        return int(value)

    return parse


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _names(parse: Callable[[object], str]) -> Parse:
    def parse_all(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise ValueError("a list of names")
        # Sorted, without repeats: the order means nothing, so it must not make another configuration.
        return tuple(sorted({parse(item) for item in value}))

    return parse_all


def _optional(parse: Parse) -> Parse:
    return lambda value: None if value is None else parse(value)


_EVERY_ALGORITHM = tuple(dict.fromkeys(ALGORITHMS["classification"] + ALGORITHMS["regression"]))
_MINUTES = _number(0.1, 60 * 24 * 6, "minutes, from 0.1 to 8640 (six days)")
FIELDS: dict[str, Parse] = {
    "label": _text,
    "task": _choice("classification", "regression"),
    "primary_metric": _optional(_choice(*PRIMARY_METRICS["classification"], *PRIMARY_METRICS["regression"])),
    "timeout_minutes": _MINUTES,
    "trial_timeout_minutes": _MINUTES,
    "max_trials": _whole(1, 1000),
    "max_concurrent_trials": _whole(1, 100),
    "exit_score": _optional(_number(-1e12, 1e12, "a number")),
    "early_termination": _flag,
    "n_cross_validations": _optional(_whole(2, 25)),
    "validation_size": _optional(_number(0.01, 0.99, "a share from 0.01 to 0.99")),
    "allowed_algorithms": _names(_choice(*_EVERY_ALGORITHM)),
    "blocked_algorithms": _names(_choice(*_EVERY_ALGORITHM)),
    "imbalance": _choice("weight", "off"),
    "vote_ensemble": _flag,
    "stack_ensemble": _flag,
    "explain": _flag,
}
GATE_FIELDS: dict[str, Parse] = {
    "metric": _choice(*GATE_METRICS["classification"], *GATE_METRICS["regression"]),
    "margin": _number(0, 1, "a number from 0 to 1"),
    "floor": _number(-1, 1, "a number from -1 to 1"),
    "insufficient_evidence": _choice("promote", "reject"),
    "allow_schema_change": _flag,
    "policy": _choice("not_worse", "better"),
}


def guess(word: str, known: Sequence[str]) -> str:
    """` (did you mean NAME?)` where a known name is near, else nothing."""
    near = difflib.get_close_matches(word.casefold(), [name.casefold() for name in known], n=1, cutoff=0.6)
    return next((f" (did you mean {name}?)" for name in known if near and name.casefold() == near[0]), "")
