"""The keys of a dataset's configuration: what each takes, and errors that say where and what instead."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

from shared.domain.errors import InvalidConfig

#: Azure's names, https://learn.microsoft.com/azure/machine-learning/how-to-configure-auto-train (primary metric).
PRIMARY_METRICS = {
    "classification": (
        "AUC_weighted",
        "accuracy",
        "norm_macro_recall",
        "average_precision_score_weighted",
        "precision_score_weighted",
    ),
    "regression": (
        "spearman_correlation",
        "normalized_root_mean_squared_error",
        "r2_score",
        "normalized_mean_absolute_error",
    ),
}
#: The same page (supported algorithms), names as in the REST API's ClassificationModels and RegressionModels.
ALGORITHMS = {
    "classification": (
        "LogisticRegression",
        "SGD",
        "MultinomialNaiveBayes",
        "BernoulliNaiveBayes",
        "SVM",
        "LinearSVM",
        "KNN",
        "DecisionTree",
        "RandomForest",
        "ExtremeRandomTrees",
        "LightGBM",
        "GradientBoosting",
        "XGBoostClassifier",
    ),
    "regression": (
        "ElasticNet",
        "GradientBoosting",
        "DecisionTree",
        "KNN",
        "LassoLars",
        "SGD",
        "RandomForest",
        "ExtremeRandomTrees",
        "LightGBM",
        "XGBoostRegressor",
    ),
}
GATE_METRICS = {
    "classification": ("balanced_accuracy", "accuracy", "f1_macro"),
    "regression": ("r2_score",),
}
MAX_SIDECAR = 1 << 16

#: Makes a checked value of what stands in a file, or raises ValueError with what the field takes.
Parse = Callable[[Any], Any]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError(
            "text; put it in quotation marks (YAML reads yes, no, true and false as truth values)"
        )
    if not isinstance(value, str | int | float) or not str(value).strip():
        raise ValueError("text that is not empty")
    return str(value).strip()


def _choice(*known: str) -> Parse:
    plain = {name.replace("_", "").casefold(): name for name in known}

    def parse(value: Any) -> str:
        # YAML reads a bare `off` as false.
        text = "off" if value is False else str(value) if isinstance(value, str) else ""
        found = plain.get(text.strip().replace("_", "").replace("-", "").casefold())
        if found is None:
            raise ValueError(f"one of {', '.join(known)}" + _guess(text, known))
        return found

    return parse


def _number(low: float, high: float, what: str) -> Parse:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(what)
        if not low <= value <= high:
            raise ValueError(what)
        return float(value)

    return parse


def _whole(low: int, high: int) -> Parse:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise ValueError(f"a whole number from {low} to {high}")
        if not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _names(parse: Parse) -> Parse:
    def parse_all(value: Any) -> tuple[str, ...]:
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


class Reader:
    """Reads the mappings of one source. `spell` gives a key as that source spells it."""

    def __init__(self, source: str, spell: Callable[[str], str], *, texts: bool = False) -> None:
        self.source, self.spell, self.texts = source, spell, texts

    def read(self, said: Any, known: Mapping[str, Parse | None], parent: str = "") -> dict[str, Any]:
        """The checked values of `said`; a key whose parser is None is passed on as it is."""
        if not isinstance(said, Mapping):
            message = f"{self.spell(parent)} in {self.source} must hold keys and values."
            raise self._error(parent, message, f"Its keys are: {', '.join(known)}.")
        values: dict[str, Any] = {}
        for key, value in said.items():
            path = f"{parent}.{key}" if parent else str(key)
            if key not in known:
                names = ", ".join(self.spell(f"{parent}.{name}" if parent else name) for name in known)
                guess = _guess(str(key)[:100], tuple(known))
                message = f"{self.spell(path)[:100]!r} in {self.source} is no known key{guess}."
                raise self._error(path, message, f"Known keys: {names}.")
            parse = known[key]
            if parse is None:
                values[key] = value
                continue
            try:
                values[key] = parse(_from_text(value, key) if self.texts else value)
            except ValueError as error:
                message = f"{self.spell(path)} in {self.source} is {reprlib.repr(value)}; it takes {error}."
                raise self._error(path, message, f"Correct {self.spell(path)}, or leave it out.") from None
        return values

    def _error(self, path: str, message: str, remedy: str) -> InvalidConfig:
        return InvalidConfig(message, remedy=remedy, file=self.source, field=self.spell(path)[:100])


def _guess(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word.casefold(), [name.casefold() for name in known], n=1, cutoff=0.6)
    return next((f" (did you mean {name}?)" for name in known if near and name.casefold() == near[0]), "")


def _from_text(value: str, key: str) -> Any:
    """A metadata value, always text, as YAML would have read it."""
    text = value.strip()
    if key == "label":
        return text
    if key.endswith("_algorithms"):
        return [part for part in (p.strip() for p in text.split(",")) if part]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() in ("", "null", "none"):
        return None
    try:
        return float(text)
    except ValueError:
        return text


def parse_yaml(text: str, name: str) -> Mapping[str, Any]:
    """The mapping of a configuration file; an empty file says nothing."""
    import yaml  # comes with azure-ai-ml

    if len(text) > MAX_SIDECAR:
        raise InvalidConfig(
            f"{name} has {len(text):,} characters; a configuration file has at most {MAX_SIDECAR:,}.",
            remedy="Keep to the known keys.",
            file=name,
        )
    try:
        doc = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise InvalidConfig(
            f"{name} is not valid YAML" + (f" (line {line})" if line else "") + f": {error.problem}.",
            remedy="Write one `key: value` per line.",
            file=name,
            line=line,
        ) from error
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidConfig(
            f"{name} is not valid YAML: {reprlib.repr(str(error))}.",
            remedy="Write one `key: value` per line.",
            file=name,
        ) from error
    if doc is None:
        return {}
    if not isinstance(doc, dict):
        raise InvalidConfig(
            f"{name} must hold keys and values, not {type(doc).__name__}.",
            remedy="Write one `key: value` per line, such as `label: y`.",
            file=name,
        )
    return doc
