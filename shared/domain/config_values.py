"""The keys of a dataset's configuration, and what each takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from shared.domain.automl_names import ALGORITHMS, GATE_METRICS, PRIMARY_METRICS
from shared.domain.names import guess, near, unwritable
from shared.domain.table.encoding import ENCODINGS, named
from shared.domain.table.invisible import clean
from shared.domain.table.number_notation import SAYINGS

if TYPE_CHECKING:  # the settings need this module, and nothing behind it, when the app is indexed
    from shared.domain.config import Task

#: Makes a checked value of what stands in a file, or raises ValueError with what the field takes.
Parse = Callable[[object], object]


class TakesError(ValueError):
    """What a field takes, in words, and one such value; what to do, where it is not to correct the field or leave it out."""

    def __init__(self, what: str, good: str, remedy: str = "") -> None:
        super().__init__(what)
        self.good, self.remedy = good, remedy


#: What YAML 1.1 and people write for truth values and for nothing.
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
NOTHING = frozenset({"", "~", "null", "none"})


def _text(value: object) -> str:
    """A column's name, cleaned as a header's is; it may have lines, as a quoted one may."""
    text = clean(value).strip() if isinstance(value, str) else ""
    if not text:
        raise ValueError(
            "text that is not empty, in quotation marks where it begins with a sign such as #, [ or {"
        )
    character = unwritable(text, allowed="\n\t")
    if character:
        raise ValueError(f"text that can be shown, without {character}")
    return text


def choice(*known: str, beside: Sequence[str] = ()) -> Callable[[object], str]:
    """One of `known`; those `beside` are taken, too, but never offered."""
    plain = {name.replace("_", "").replace("-", "").casefold(): name for name in (*beside, *known)}

    def parse(value: object) -> str:
        text = value if isinstance(value, str) else ""
        found = plain.get(text.strip().replace("_", "").replace("-", "").casefold())
        if found is None:
            good = next(iter(near(text[:100], known)), known[0])
            raise TakesError(f"one of {', '.join(known)}" + guess(text[:100], known), good)
        return found

    return parse


def _encoding(value: object) -> str:
    """No other one is offered in its place: the wrong one reads a file wrongly, and nobody would be told."""
    found = named(value) if isinstance(value, str) else None
    if found is None:
        what = f"one of {', '.join(ENCODINGS)}, or another name of one"
        raise TakesError(
            what, "", "Name the file's own encoding, or save the file as UTF-8 and leave `encoding` out."
        )
    return found


def number(low: float, high: float, what: str, good: str) -> Parse:
    """`what` says in words what is taken, `good` is one such number."""

    def parse(value: object) -> float:
        number = _float(value)
        if number is None or not low <= number <= high:
            raise TakesError(what, good)  # NaN, too: it compares with nothing
        return number

    return parse


def _float(value: object) -> float | None:
    """The number that a text or a setting holds; None where it is none. Infinite where it is beyond all numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _whole(low: int, high: int, good: int) -> Parse:
    what = f"a whole number from {low} to {high}"

    def parse(value: object) -> int:
        number = _float(value)
        if number is None or not low <= number <= high or number != number // 1:
            raise TakesError(what, str(good))
        return int(number)

    return parse


def _flag(value: object) -> bool:
    found = _TRUTH.get(value.strip().casefold()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise TakesError("true or false", "true")
    return found


def _names(parse: Callable[[object], str]) -> Parse:
    def parse_all(value: object) -> tuple[str, ...]:
        listed = [value] if isinstance(value, str) and value.strip() else value
        if not isinstance(listed, list | tuple):
            raise ValueError("a list of names")
        try:
            # Sorted, without repeats: the order means nothing, so it must not make another configuration.
            return tuple(sorted({parse(item) for item in listed}))
        except TakesError as error:
            told = "a list in brackets" if isinstance(value, str) and "," in value else str(error)
            items = value.split(",") if isinstance(value, str) else listed
            raise TakesError(told, f"[{', '.join(_meant(parse, item) for item in items)}]") from None

    return parse_all


def _meant(parse: Callable[[object], str], item: object) -> str:
    """The name, or the one that may be meant by what is none."""
    try:
        return parse(item)
    except TakesError as error:
        return error.good


def label(value: object) -> str:
    """A class, as the file writes it; JSON may have it as a number or a truth value."""
    return _text(str(value) if isinstance(value, int | float) else value)


def _optional(parse: Parse) -> Parse:
    def parse_or_none(value: object) -> object:
        nothing = value is None or (isinstance(value, str) and value.strip().casefold() in NOTHING)
        return None if nothing else parse(value)

    return parse_or_none


def _schedule(value: object) -> str | None:
    """None: as the app's own; `off`: none at all."""
    from shared.domain.schedule import Schedule, ScheduleError  # not at indexing

    text = " ".join(value.split()) if isinstance(value, str) else value
    if value is None or (isinstance(text, str) and text.casefold() in NOTHING):
        return None
    if text is False or (isinstance(text, str) and text.casefold() in ("off", "never", "false", "no")):
        return "off"
    try:
        return Schedule.parse(text).said if isinstance(text, str) else _no_schedule("")
    except ScheduleError as error:
        return _no_schedule(f" ({error})")


def _no_schedule(why: str) -> str:
    raise TakesError(
        f"daily, weekly, monthly, off, or NCRONTAB in UTC such as 0 0 3 * * 1 (Mondays at three){why}",
        "weekly",
    )


def _k_of_n(value: object) -> object:
    from shared.domain.upkeep import MOST_WINDOWS, OnDrift

    what = f"off, or k of n windows, such as 3 of 5 or {{k: 3, n: 5}}, n up to {MOST_WINDOWS}"
    if value is None or value is False or str(value).strip().casefold() in (*NOTHING, "off", "false", "no"):
        return None
    if isinstance(value, Mapping):
        parts: list[object] = [value["k"], value["n"]] if set(value) == {"k", "n"} else []
    else:
        parts = list(str(value).casefold().replace("windows", "").split(" of "))
    numbers = [_float(part) for part in parts]
    if len(numbers) != 2:
        raise TakesError(what, "3 of 5")
    k, n = numbers
    if k is None or n is None or k % 1 or n % 1 or not 1 <= k <= n <= MOST_WINDOWS:
        raise TakesError(what, "3 of 5")
    return OnDrift(int(k), int(n))


def _versions(value: object) -> int:
    """How many of the newest versions are trained on together."""
    from shared.domain.upkeep import MOST_VERSIONS

    words = str(value).casefold().replace("_", " ").split()
    if words == ["latest"]:
        return 1
    if len(words) in (2, 3) and words[0] == "last" and words[2:] in ([], ["versions"], ["version"]):
        count = _float(words[1])
        if count is not None and not count % 1 and 1 <= count <= MOST_VERSIONS:
            return int(count)
    raise TakesError(f"latest, or last N versions, N from 1 to {MOST_VERSIONS}", "last 3 versions")


_EVERY_ALGORITHM = tuple(dict.fromkeys(ALGORITHMS["classification"] + ALGORITHMS["regression"]))
_MINUTES = number(0.1, 60 * 24 * 6, "minutes, from 0.1 to 8640 (six days)", "60")
FIELDS: dict[str, Parse] = {
    "label": _text,
    "task": choice("classification", "regression", "auto"),
    "primary_metric": _optional(choice(*PRIMARY_METRICS["classification"], *PRIMARY_METRICS["regression"])),
    "timeout_minutes": _MINUTES,
    "trial_timeout_minutes": _MINUTES,
    "max_trials": _whole(1, 1000, 40),
    "max_concurrent_trials": _whole(1, 100, 2),
    "exit_score": _optional(number(-1e12, 1e12, "a number", "0.99")),
    "early_termination": _flag,
    "n_cross_validations": _optional(_whole(2, 25, 5)),
    "validation_size": _optional(number(0.01, 0.99, "a share from 0.01 to 0.99", "0.1")),
    "allowed_algorithms": _names(choice(*_EVERY_ALGORITHM)),
    "blocked_algorithms": _names(choice(*_EVERY_ALGORITHM)),
    "imbalance": choice("weight", "off"),
    "vote_ensemble": _flag,
    "stack_ensemble": _flag,
    "explain": _flag,
    "encoding": _encoding,
    "numbers": _names(choice(*SAYINGS)),
    "drop": _names(_text),
    "id": _optional(_text),
    "capture": _flag,
    "max_bad_rows": number(
        0, 1e9, "a share below 1 (0.001 is one row in a thousand), or a count of rows", "0.001"
    ),
    "schema": choice("compatible", "strict", "free"),
    "approval": choice("suspicious", "required", "none"),
    "daily_runs": _whole(0, 100_000, 5),
    "daily_training_minutes": number(0, 1e6, "minutes a day, from 0 (no limit) to 1000000", "120"),
}
#: Read by `config_threshold`, which has its rules.
THRESHOLD = "threshold"
#: In a line, for metadata and settings.
THRESHOLD_WORDS = (
    "none, a number from 0 to 1, maximise f1, min_precision 0.8, min_recall 0.9 or cost 1 5 "
    "(false positive, false negative)"
)
#: Keys that take several names.
LISTS = ("allowed_algorithms", "blocked_algorithms", "numbers", "drop")
GATE_FIELDS: dict[str, Parse] = {
    "metric": choice(*dict.fromkeys((*GATE_METRICS["classification"], *GATE_METRICS["regression"]))),
    "margin": number(0, 1, "a number from 0 to 1", "0.005"),
    "floor": number(-1, 1, "a number from -1 to 1", "0.5"),
    "insufficient_evidence": choice("promote", "reject"),
    "allow_schema_change": _flag,
    "policy": choice("not_worse", "better"),
    "earlier_margin": number(0, 1, "a number from 0 to 1", "0.02"),
    "collapse": number(0, 1, "a share from 0 to 1", "0.3"),
}
RETRAIN_FIELDS: dict[str, Parse] = {
    "schedule": _schedule,
    "on_new_data": _flag,
    "on_drift": _k_of_n,
    "min_new_rows": _whole(0, 10**12, 1000),
    "data": _versions,
    "cool_down_hours": number(0, 24 * 366, "hours, from 0 to 8784 (a year)", "24"),
}
DRIFT_FIELDS: dict[str, Parse] = {
    "threshold": number(0.05, 100, "a number from 0.05 up", "0.25"),
    "min_rows": _whole(100, 10**9, 200),
}


def task_fields(task: Task) -> dict[str, Parse]:
    """Parsers that offer this task's names alone. Another task's are read: that they don't fit is told as such."""
    algorithm = choice(*ALGORITHMS[task], beside=_EVERY_ALGORITHM)
    every = [name for names in PRIMARY_METRICS.values() for name in names]
    return {
        "primary_metric": _optional(choice(*PRIMARY_METRICS[task], beside=every)),
        "allowed_algorithms": _names(algorithm),
        "blocked_algorithms": _names(algorithm),
    }


def gate_fields(task: Task) -> dict[str, Parse]:
    """The gate's parsers, likewise."""
    every = [name for names in GATE_METRICS.values() for name in names]
    return {**GATE_FIELDS, "metric": choice(*GATE_METRICS[task], beside=every)}


#: Keys that hold keys.
GROUPS: dict[str, dict[str, Parse]] = {"gate": GATE_FIELDS, "retrain": RETRAIN_FIELDS, "drift": DRIFT_FIELDS}
#: Every key, as one path.
KEYS = (*FIELDS, THRESHOLD, *(f"{group}.{key}" for group, known in GROUPS.items() for key in known))
