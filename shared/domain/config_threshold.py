"""Reads how a dataset's threshold is to be chosen: a number, a mapping of one rule, or the same in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.domain.config_reader import Reader
from shared.domain.config_values import NOTHING, THRESHOLD, THRESHOLD_WORDS, Parse, choice, label, number
from shared.domain.errors import InvalidConfig
from shared.domain.labels import speller
from shared.domain.threshold import Cost, ThresholdRule
from shared.domain.threshold.counts import METRICS

_SHARE = number(0.0, 1.0, "a share from 0 to 1", "0.5")
_PRICE = number(0, 1e12, "a cost from 0 to 1e12", "5")
_COST: dict[str, Parse | None] = {"false_positive": _PRICE, "false_negative": _PRICE}
_RULES: dict[str, Parse | None] = {
    "maximise": choice(*METRICS),
    "min_precision": _SHARE,
    "min_recall": _SHARE,
    "cost": None,
}
_FIELDS = {**_RULES, "positive": label}
TAKES = (
    "none, a number from 0 to 1, or one of {maximise: f1}, {min_precision: 0.8}, {min_recall: 0.9} and "
    "{cost: {false_positive: 1, false_negative: 5}}, with positive: LABEL where it is not the rarer class"
)


def threshold_rule(said: object, reader: Reader) -> ThresholdRule | None:
    """The rule that `said` holds, None for none. Raises InvalidConfig at its place."""
    if said is None:
        return None
    if not isinstance(said, Mapping):
        return _from_words(said, reader)
    values = reader.read(said, _FIELDS, THRESHOLD)
    rules = [name for name in _RULES if name in values]
    if len(rules) != 1:
        told = f"says {' and '.join(rules)}" if rules else "says no rule"
        raise reader.error(
            THRESHOLD, f"{reader.spell(THRESHOLD)} in {reader.source} {told}.", f"It takes {TAKES}."
        )
    if "cost" in values:
        values["cost"] = _cost(values["cost"], reader)
    return ThresholdRule(**values)


def _cost(said: object, reader: Reader) -> Cost:
    path = f"{THRESHOLD}.cost"
    try:
        return _priced(reader.read(said, _COST, path))
    except ValueError:
        message = f"{reader.spell(path)} in {reader.source} costs nothing: every threshold is as good."
        remedy = "Give false_positive or false_negative a cost above 0."
        raise reader.error(path, message, remedy) from None


def _priced(prices: Mapping[str, Any]) -> Cost:
    """Raises ValueError where nothing costs anything."""
    cost = replace(Cost(), **prices)
    if cost == Cost(0, 0):
        raise ValueError(prices)
    return cost


def _from_words(said: object, reader: Reader) -> ThresholdRule | None:
    try:
        return threshold_in_words(said)
    except ValueError:
        shown = f"{said!r}"[:80]
        message = f"{reader.spell(THRESHOLD)} in {reader.source} is {shown}; it takes {TAKES}."
        remedy = f"Correct {reader.spell(THRESHOLD)}, or leave it out. In one line: {THRESHOLD_WORDS}."
        raise reader.error(THRESHOLD, message, remedy, value=True) from None


def threshold_in_words(said: object) -> ThresholdRule | None:
    """The rule that a number or a few words say. Raises ValueError."""
    words = said.replace(":", " ").replace("=", " ").split() if isinstance(said, str) else [said]
    name, rest = (words[0] if words else ""), words[1:]
    if isinstance(said, str) and said.strip().casefold() in NOTHING:
        return None
    if not rest:
        return ThresholdRule(value=_share(name))
    if name == "cost" and len(rest) == 2:
        return ThresholdRule(cost=_priced({key: _PRICE(part) for key, part in zip(_COST, rest, strict=True)}))
    parse = _RULES.get(str(name))
    if parse is None or len(rest) != 1:
        raise ValueError(said)
    return ThresholdRule(**{str(name): parse(rest[0])})  # type: ignore[arg-type]


def _share(value: object) -> float:
    share = _SHARE(value)
    if not isinstance(share, float):
        raise ValueError(value)
    return share


def unfit(rule: ThresholdRule, label: str, classes: tuple[str, ...]) -> InvalidConfig | None:
    """Why a rule can't hold for a label of these classes; none is what a quantity has."""
    if len(classes) != 2:
        has = f"{len(classes)}" if classes else "none: it is a quantity"
        message = f"threshold is for a label of two classes, and {label!r} has {has}."
        return InvalidConfig(message, remedy="Take threshold out of the configuration.", field=THRESHOLD)
    positive = rule.positive
    if positive is not None and speller(classes)(positive) not in classes:
        message = f"threshold.positive is {positive[:80]!r}, which is no class of {label!r}."
        return InvalidConfig(
            message, remedy=f"It is {classes[0]!r} or {classes[1]!r}.", field="threshold.positive"
        )
    return None
