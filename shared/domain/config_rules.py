"""Rules between the keys of a configuration; each holds where nothing else is wrong with the keys that it compares."""

from __future__ import annotations

from shared.domain.automl_names import ALGORITHMS, GATE_METRICS, PRIMARY_METRICS
from shared.domain.config import DatasetConfig
from shared.domain.config_reader import Reader
from shared.domain.config_values import THRESHOLD
from shared.domain.table.number_notation import COMMA, POINT


def check(config: DatasetConfig, reader: Reader) -> None:
    """What is against a rule is remembered by the reader."""
    _of_the_task(config, reader)
    _threshold(config, reader)
    _label(config, reader)
    _numbers(config, reader)
    _algorithms(config, reader)


def _of_the_task(config: DatasetConfig, reader: Reader) -> None:
    """Names that are of another task."""
    known = ALGORITHMS[config.task]
    rules: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
        ("gate.metric", (config.gate.metric,), GATE_METRICS[config.task]),
        ("allowed_algorithms", config.allowed_algorithms, known),
        ("blocked_algorithms", config.blocked_algorithms, known),
    ]
    if config.primary_metric is not None:
        rules.append(("primary_metric", (config.primary_metric,), PRIMARY_METRICS[config.task]))
    for name, values, suitable in rules:
        wrong = [value for value in values if value not in suitable]
        if wrong and reader.knows("task", name):
            message = f"{name} {wrong[0]!r} in {reader.source} is not for {config.task}."
            other = " Or say task: regression." if config.task_auto else ""
            remedy = f"For {config.task} use one of: {', '.join(suitable)}.{other}"
            _refuse(reader, name, message, remedy, wrong[0], suitable[0])


def _threshold(config: DatasetConfig, reader: Reader) -> None:
    if config.threshold is not None and config.task == "regression" and reader.knows("task", THRESHOLD):
        spelt = reader.spell(THRESHOLD)
        message = (
            f"{spelt} in {reader.source} is not for regression: only one of two classes has a threshold."
        )
        _refuse(reader, THRESHOLD, message, f"Leave {spelt} out.")


def _label(config: DatasetConfig, reader: Reader) -> None:
    for key, out in (("drop", config.drop), ("id", (config.id,))):
        if config.label in out and reader.knows("label", key):
            message = f"{key} in {reader.source} names the label {config.label!r}."
            _refuse(reader, key, message, "Name another column, or another label.")


def _numbers(config: DatasetConfig, reader: Reader) -> None:
    if {COMMA, POINT} <= set(config.numbers):
        message = f"numbers in {reader.source} says both {COMMA} and {POINT}."
        remedy = "Say the one that holds; columns that can be read one way alone need none."
        _refuse(reader, "numbers", message, remedy, config.numbers, (COMMA,))


def _algorithms(config: DatasetConfig, reader: Reader) -> None:
    if not reader.knows("task", "allowed_algorithms", "blocked_algorithms"):
        return
    both = sorted(set(config.allowed_algorithms) & set(config.blocked_algorithms))
    if both:
        message = f"{', '.join(both)} is both allowed and blocked in {reader.source}."
        remedy = "Take it out of allowed_algorithms or blocked_algorithms."
        _refuse(reader, "blocked_algorithms", message, remedy)
    if not set(ALGORITHMS[config.task]) - set(config.blocked_algorithms):
        message = f"blocked_algorithms in {reader.source} leaves no algorithm for {config.task}."
        _refuse(reader, "blocked_algorithms", message, "Block fewer.")


def _refuse(
    reader: Reader, key: str, message: str, remedy: str, bad: object = None, good: object = ""
) -> None:
    reader.refuse(key, reader.example(reader.error(key, message, remedy), key, bad, good))
