"""MLflow's filter and order of runs and experiments: `metrics.auc > 0.9 and tags.x LIKE 'a%'`, `metrics.auc DESC`.

https://mlflow.org/docs/latest/search-runs . Conditions are joined by AND; OR and brackets aren't part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dropml.azureml.tracking.mlflow_errors import MlflowError

_KEY = r"""(?:(?P<kind>[A-Za-z]+)\s*\.\s*)?(?:`(?P<tick>[^`]+)`|"(?P<quoted>[^"]+)"|(?P<plain>[A-Za-z_][\w.\-/]*))"""
_STRING = r"""'(?:[^']|'')*'|"[^"]*\""""
_CONDITION = re.compile(
    rf"""\s*{_KEY}\s*(?P<operator>!=|>=|<=|=|>|<|NOT\s+IN\b|IN\b|NOT\s+LIKE\b|LIKE\b|ILIKE\b|IS\s+NOT\s+NULL\b|IS\s+NULL\b)
    \s*(?P<value>\([^)]*\)|{_STRING}|[-+]?[\d.]+(?:[eE][-+]?\d+)?)?\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_AND = re.compile(r"AND\b", re.IGNORECASE)
_ORDER = re.compile(rf"^\s*{_KEY}(?:\s+(?P<way>ASC|DESC))?\s*$", re.IGNORECASE)
_KINDS = {
    "metric": "metric", "metrics": "metric", "tag": "tag", "tags": "tag", "param": "param", "params": "param",
    "parameter": "param", "parameters": "param", "attribute": "attribute", "attributes": "attribute",
    "attr": "attribute", "run": "attribute",
}  # fmt: skip
_ATTRIBUTES = {
    "run_id": "run_id", "run_name": "run_name", "status": "status", "user_id": "user_id",
    "artifact_uri": "artifact_uri", "start_time": "start_time", "end_time": "end_time", "created": "start_time",
}  # fmt: skip
_NUMERIC = ("start_time", "end_time", "creation_time", "last_update_time")
#: What can be asked of an experiment; its id can be sorted by, and not searched for.
_OF_EXPERIMENTS = {n: n for n in ("name", "experiment_id", "creation_time", "last_update_time")}


@dataclass(frozen=True)
class Key:
    """What a condition or an order speaks about; `kind` is metric, tag, param or attribute."""

    kind: str
    name: str

    @property
    def numeric(self) -> bool:
        return self.kind == "metric" or (self.kind == "attribute" and self.name in _NUMERIC)


@dataclass(frozen=True)
class Condition:
    """`value` is a number, a text, or a tuple of texts for IN; None for IS NULL."""

    key: Key
    operator: str
    value: Any

    def holds(self, found: Any) -> bool:
        """Whether a run's value, None where it has none, meets the condition."""
        if self.operator in ("IS NULL", "IS NOT NULL"):
            return (found is None) == (self.operator == "IS NULL")
        if found is None:
            return False
        if self.operator in ("IN", "NOT IN"):
            return (str(found) in self.value) == (self.operator == "IN")
        if "LIKE" in self.operator:
            like = _like(self.value, re.IGNORECASE if self.operator == "ILIKE" else 0)
            return bool(like.fullmatch(str(found))) != self.operator.startswith("NOT")
        holds: bool = {
            "=": found == self.value, "!=": found != self.value, ">": found > self.value,
            "<": found < self.value, ">=": found >= self.value, "<=": found <= self.value,
        }[self.operator]  # fmt: skip
        return holds


def _like(pattern: str, flags: int) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.DOTALL | flags)


def _invalid(message: str) -> MlflowError:
    return MlflowError(400, "INVALID_PARAMETER_VALUE", message)


def _key(match: re.Match[str], *, experiments: bool) -> Key:
    name = match["tick"] or match["quoted"] or match["plain"]
    kind = _KINDS.get((match["kind"] or "attribute").lower())
    if kind is None or (experiments and kind not in ("tag", "attribute")):
        valid = "tag or attribute" if experiments else "metric, parameter, tag or attribute"
        raise _invalid(f"Invalid entity type '{match['kind']}': use {valid}.")
    if kind == "attribute":
        attributes = _OF_EXPERIMENTS if experiments else _ATTRIBUTES
        known = attributes.get(name.lower().replace(" ", "_"))
        if known is None:
            raise _invalid(f"Invalid attribute key '{name}' specified. Valid keys are {sorted(attributes)}.")
        name = known
    return Key(kind, name)


def _value(key: Key, operator: str, text: str | None, clause: str) -> Any:
    if operator.startswith("IS "):
        return None
    if text is None:
        raise _invalid(f"Invalid clause(s) in filter string: '{clause}'.")
    if operator in ("IN", "NOT IN"):
        if key.numeric or not text.startswith("("):
            raise _invalid(f"{operator} takes a list of texts and no {key.kind}: '{clause}'.")
        return tuple(_unquoted(part) for part in re.findall(_STRING, text))
    if key.numeric:
        try:
            return float(text)
        except ValueError:
            raise _invalid(f"Expected a number for {key.kind} '{key.name}', not {text}.") from None
    if text[0] not in "'\"":
        raise _invalid(f"Expected a quoted text for {key.kind} '{key.name}', not {text}.")
    if operator in (">", "<", ">=", "<=") and key.kind != "attribute":
        raise _invalid(
            f"The comparator '{operator}' is not valid for a {key.kind}: use =, !=, LIKE or ILIKE."
        )
    return _unquoted(text)


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]


def conditions(text: str, *, experiments: bool = False) -> Iterator[Condition]:
    """The conditions of a filter; MlflowError names what it can't read."""
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _CONDITION.match(text, at)
        if match is None:
            raise _invalid(f"Invalid clause(s) in filter string: '{text[at:].strip()}'.")
        key, operator = _key(match, experiments=experiments), " ".join(match["operator"].upper().split())
        yield Condition(key, operator, _value(key, operator, match["value"], match[0].strip()))
        at = match.end()
        if at < end:
            joined = _AND.match(text, at)
            if joined is None:
                raise _invalid(
                    f"Invalid clause(s) in filter string: '{text[at:].strip()}'. Only AND joins conditions."
                )
            at = joined.end()


def orders(clauses: list[str], *, experiments: bool = False) -> list[tuple[Key, bool]]:
    """What to sort by, and whether the largest comes first, the first clause deciding."""
    found = []
    for clause in clauses:
        match = _ORDER.match(clause)
        if match is None:
            raise _invalid(f"Invalid order_by clause '{clause}'.")
        found.append((_key(match, experiments=experiments), (match["way"] or "ASC").upper() == "DESC"))
    return found
