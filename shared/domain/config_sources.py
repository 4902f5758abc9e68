"""The effective configuration: the settings, then `{name}.yaml` beside the data, then the blob's own metadata.

Each overrides the one before, within what the owner allows. Every key is checked, and an error names where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.config import DatasetConfig, Task
from shared.domain.config_owner import Owner, bounded, settled
from shared.domain.config_reader import Reader, together
from shared.domain.config_rules import check
from shared.domain.config_threshold import threshold_rule
from shared.domain.config_values import FIELDS, GROUPS, LISTS, THRESHOLD, gate_fields, task_fields
from shared.domain.errors import InvalidConfig
from shared.domain.names import near

METADATA_PREFIX = "dropml_"


@dataclass(frozen=True)
class Effective:
    """What holds for a run, and a sentence for each thing said that does not hold as it was said."""

    config: DatasetConfig
    remarks: tuple[str, ...] = ()
    #: A sentence for each file that was probably meant to be the configuration, and is not read.
    unread: tuple[str, ...] = ()
    #: Hash of what was said, where the file's label has decided the task.
    said_hash: str = ""
    #: The source that names the label; empty where the settings do.
    label_from: str = ""
    #: Of each key that a file or its metadata says: file, field, and line and column where there are lines.
    places: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def defaults(said: Mapping[str, object]) -> DatasetConfig:
    """What the settings say of every dataset. What can't be taken raises InvalidConfig and names its variable."""
    names = {
        "label": "LABEL_COLUMN",
        "timeout_minutes": "EXPERIMENT_TIMEOUT_MINUTES",
        "daily_runs": "DATASET_DAILY_RUNS",
        "daily_training_minutes": "DATASET_DAILY_TRAINING_MINUTES",
    }
    reader = Reader("the settings", lambda key: names.get(key, key.replace(".", "_").upper()))
    config = _apply(DatasetConfig(), said, reader)
    if reader.wrong:
        raise together(reader.wrong)
    return settled(config)[0]


def effective(
    owned: DatasetConfig,
    sidecar: bytes | None = None,
    metadata: Mapping[str, str] | None = None,
    *,
    sidecar_name: str = "the configuration file",
    owner: Owner | None = None,
) -> Effective:
    """`owned` is what the settings say.

    Raises InvalidConfig, which tells of all mistakes at once; its `where` has file, field and, in a file, line.
    """
    owner, config, label_from = owner or Owner(), owned, ""
    wrong: list[InvalidConfig] = []
    places: dict[str, Mapping[str, object]] = {}
    for reader, said in _sources(sidecar, metadata or {}, sidecar_name):
        before, config = config, _apply(config, said, reader, alone=bool(wrong))
        label_from = reader.source if "label" in said else label_from
        _refuse_locked(_keys(said), before, config, owner, reader)
        wrong += reader.wrong
        places |= {key: reader.error(key, "", "").where for key in (*_keys(said), *reader.places)}
    if wrong:
        raise together(wrong)
    mine = _for_task(owned, config.task)
    config, cut = bounded(_locked(config, mine, owner), mine, owner)
    config, met = settled(config)
    return Effective(config, (*cut, *met), label_from=label_from, places=places)


def encoding_said(
    owned: DatasetConfig,
    sidecar: bytes | None,
    metadata: Mapping[str, str],
    *,
    sidecar_name: str,
    owner: Owner,
) -> str:
    """The `encoding` that holds, whatever else is wrong. Raises InvalidConfig where it is wrong itself, or can't be told."""
    config = owned
    for reader, said in _sources(sidecar, metadata, sidecar_name):
        about = {key: value for key, value in said.items() if "encoding" in (key, *near(key, tuple(FIELDS)))}
        reader.wrong = [error for error in reader.wrong if "'encoding'" in error.message]
        before, config = config, replace(config, **reader.take(about, FIELDS))
        _refuse_locked(about, before, config, owner, reader)
        if reader.wrong:
            raise together(reader.wrong)
    return config.encoding


def decided(said: Effective, task: Task) -> Effective:
    """What holds once the file's label has decided the task."""
    remarks = said.remarks
    if task == "regression":
        told = "The label is taken as a quantity (regression), for it has many distinct numbers; `task` settles it."
        remarks = (*remarks, told)
    return replace(
        said,
        config=_for_task(said.config, task),
        remarks=remarks,
        said_hash=said.config.config_hash(),
    )


def _sources(
    sidecar: bytes | None, metadata: Mapping[str, str], sidecar_name: str
) -> Iterator[tuple[Reader, Mapping[str, object]]]:
    if sidecar is not None:
        from shared.domain.config_yaml import parse_yaml  # PyYAML: not at indexing

        read = parse_yaml(sidecar, sidecar_name)
        yield Reader(sidecar_name, places=read.places, wrong=read.wrong), read.said
    lower = {k.lower(): v for k, v in metadata.items()}
    said = {k.removeprefix(METADATA_PREFIX): v for k, v in lower.items() if k.startswith(METADATA_PREFIX)}
    if said:
        yield Reader("the blob's metadata", _spelt), _nested(said)


def _spelt(key: str) -> str:
    return METADATA_PREFIX + key.replace(".", "_")


def _nested(metadata: Mapping[str, str]) -> dict[str, object]:
    """`gate_margin` -> `{"gate": {"margin": ...}}`; lists are parted by commas."""
    said: dict[str, object] = {}
    for key, value in metadata.items():
        group, _, inner = key.partition("_")
        if group in GROUPS and inner:
            within = said.setdefault(group, {})
            if isinstance(within, dict):
                within[inner] = value
        elif key in LISTS:
            said[key] = [part.strip() for part in value.split(",") if part.strip()]
        else:
            said[key] = value
    return said


def _keys(said: Mapping[str, object]) -> Iterator[str]:
    for key, value in said.items():
        if key in GROUPS and isinstance(value, Mapping):
            yield from (f"{key}.{inner}" for inner in value)
        else:
            yield key


def _refuse_locked(
    keys: Iterable[str], before: DatasetConfig, after: DatasetConfig, owner: Owner, reader: Reader
) -> None:
    """A locked key may be said only as it is."""
    for path in keys:
        if path in owner.locked and _value(before, path) != _value(after, path):
            message = f"{reader.spell(path)} in {reader.source} is for the owner of the app alone to set."
            remedy = f"Leave it out, or ask the owner to take {path} from OVERRIDE_LOCKED."
            reader.refuse(path, reader.error(path, message, remedy))


def _locked(config: DatasetConfig, owned: DatasetConfig, owner: Owner) -> DatasetConfig:
    """With the owner's values of locked keys: a change of task, and back, forgets what nobody has said otherwise."""
    for path in owner.locked - {"task"}:
        group, _, key = path.rpartition(".")
        value: Any = _value(owned, path)
        if group:
            within: Any = getattr(config, group)
            value, key = replace(within, **{key: value}), group
        config = replace(config, **{key: value})
    return config


def _value(config: DatasetConfig, path: str) -> object:
    if path == "task" and config.task_auto:
        return "auto"
    found: object = config
    for name in path.split("."):
        found = getattr(found, name)
    return found


def _for_task(config: DatasetConfig, task: Task) -> DatasetConfig:
    """`config` for this task: what was said for another one means nothing for it."""
    if task == config.task:
        return config
    return replace(
        config,
        task=task,
        primary_metric=None,
        allowed_algorithms=(),
        blocked_algorithms=(),
        threshold=None,
        gate=replace(config.gate, metric="auto", floor=0.0),
    )


def _apply(
    config: DatasetConfig, said: Mapping[str, object], reader: Reader, *, alone: bool = False
) -> DatasetConfig:
    """`config` with what of `said` can be taken. `alone`: what it is beside is in doubt, and no measure for it."""
    # Where this source leaves the task to the settings, a slip may lie in the task: names of both are offered.
    named = str(said.get("task", "")).strip().casefold()
    task: Task | None = (
        "regression" if named == "regression" else "classification" if named == "classification" else None
    )
    narrowed = task_fields(task) if task else {}
    values = reader.take(said, {**FIELDS, **narrowed, THRESHOLD: None, **dict.fromkeys(GROUPS)})
    if "task" in values:
        values["task_auto"] = values["task"] == "auto"
        values["task"] = "classification" if values["task_auto"] else values["task"]
    config = _for_task(config, values.get("task", config.task))
    for group, known in GROUPS.items():
        told = values.pop(group, "")
        if told not in (None, ""):
            within: Any = getattr(config, group)
            offered = gate_fields(task) if task and group == "gate" else known
            values[group] = replace(within, **reader.take(told, offered, group))
    if THRESHOLD in values:
        try:
            values[THRESHOLD] = threshold_rule(values[THRESHOLD], reader)
        except InvalidConfig as error:
            reader.refuse(THRESHOLD, error)
            del values[THRESHOLD]
    config = replace(config, **values)
    if not alone:
        check(config, reader)
    return config
