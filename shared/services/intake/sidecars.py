"""The effective configuration of a file: what stands beside it is read as far as it may be long, and no further."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from shared.domain.config_reader import MAX_SIDECAR
from shared.domain.config_sources import Effective, effective, encoding_said
from shared.domain.errors import InvalidConfig, InvalidInput, NotFound
from shared.domain.incoming import CONFIG, Kind, config_of, recognised
from shared.domain.near_configs import beginnings, config_stem, meant_for
from shared.domain.yaml_words import in_yaml
from shared.services.intake.ports import Files, IntakePlan

#: Names beside a file that are looked through for one that was meant to be its configuration.
_NEIGHBOURS = 500
_NAME_LABEL = "Name the label in a file NAME.yaml beside NAME.csv (label: COLUMN)"


def config_for(blob: str, metadata: Mapping[str, str], files: Files, plan: IntakePlan) -> Effective:
    """Settings, then `{name}.yaml` beside the file, then the blob's own metadata. Raises InvalidConfig."""
    name = config_of(blob)
    sidecar = _small(files, plan.incoming, name)
    said = effective(plan.defaults, sidecar, metadata, sidecar_name=name, owner=plan.owner)
    if sidecar is not None:
        return said
    unread = tuple(_unread(recognised(blob).dataset, files, plan))
    return replace(said, remarks=(*said.remarks, *unread), unread=unread)


def encoding_for(blob: str, metadata: Mapping[str, str], files: Files, plan: IntakePlan) -> str | None:
    """The `encoding` that holds, whatever else is wrong; None where the configuration can't be read and names none.

    Raises InvalidConfig where it is wrong, or can't be told.
    """
    name = config_of(blob)
    sidecar = _small(files, plan.incoming, name)
    try:
        return encoding_said(plan.defaults, sidecar, metadata, sidecar_name=name, owner=plan.owner)
    except InvalidConfig as error:
        if "field" in error.where or b"encod" in (sidecar or b"").replace(b"\0", b"").lower():
            raise
        return None


def name_files(error: InvalidInput, blob: str, said: Effective) -> None:
    """Have an error speak of the very files, of the lines that say what it is about, and of the word that names the label."""
    if isinstance(error, InvalidConfig):  # of what the file's own label showed to be wrong
        error.where = {**said.places.get(str(error.where.get("field")), {}), **error.where}
    if keys := error.where.pop("keys", None):
        error.remedy = error.remedy.replace("in the configuration", _places(list(keys), said))  # type: ignore[call-overload]
    config, label, near = config_of(blob), said.config.label, error.where.pop("near", None)
    if error.error_code == "label-missing" and said.label_from and near:
        right = in_yaml(str(near)) if said.label_from == config else near
        told = f"{said.label_from} says label: {label}; write label: {right}"
        error.remedy = error.remedy.replace(_NAME_LABEL, told)
    elif near:
        error.remedy = error.remedy.replace("label: COLUMN", f"label: {in_yaml(str(near))}")
    remedy = error.remedy.replace("NAME.yaml", config).replace("NAME.csv", blob.rpartition("/")[2])
    error.remedy = " ".join((remedy, *said.unread))


def _places(keys: Sequence[str], said: Effective) -> str:
    """`in people.yaml (line 3)`, where the keys are said."""
    found = [said.places[key] for key in keys if key in said.places]
    lines = [f"{at['line']}" for at in found if "line" in at]
    files = " and ".join(dict.fromkeys(str(at["file"]) for at in found)) or "the settings"
    return f"in {files}" + (f" (line{'s' if len(lines) > 1 else ''} {', '.join(lines)})" if lines else "")


def check_config(name: str, files: Files, plan: IntakePlan) -> None:
    """Raises InvalidConfig for a configuration file that can't be taken, whatever its data will be."""
    effective(plan.defaults, _small(files, plan.incoming, name), None, sidecar_name=name, owner=plan.owner)


def _small(files: Files, container: str, name: str) -> bytes | None:
    """The bytes as they are stored, at most one more than are taken; None where there is no such file."""
    read = b""
    try:
        for piece in files.stream(container, name, None, MAX_SIDECAR + 1):
            read += piece
            if len(read) > MAX_SIDECAR:
                break
    except NotFound:
        return None
    return read[: MAX_SIDECAR + 1]


def table_meant(config: str, files: Files, plan: IntakePlan) -> str | None:
    """The table (its dataset) beside a configuration that nothing reads, if it was probably meant for one that has none."""
    stem = config_stem(config)
    if stem is None:
        return None
    beside = _beside(stem, files, plan)
    found = (dataset for dataset in _tables(beside) if meant_for(config, dataset))
    return next((dataset for dataset in found if f"{dataset}{CONFIG}" not in beside), None)


def _unread(dataset: str, files: Files, plan: IntakePlan) -> list[str]:
    beside = _beside(dataset, files, plan)
    others = _tables(beside)
    return [
        f"{name} is not read as this file's configuration. Rename it to {dataset}{CONFIG}."
        for name in beside
        if meant_for(name, dataset) and recognised(name).dataset not in others
    ]


def _beside(stem: str, files: Files, plan: IntakePlan) -> list[str]:
    """Names in the container that begin as this one does."""
    listed = (islice(files.list(plan.incoming, prefix), _NEIGHBOURS) for prefix in beginnings(stem))
    return list(dict.fromkeys(info.name for infos in listed for info in infos))


def _tables(names: Iterable[str]) -> list[str]:
    return [found.dataset for found in map(recognised, names) if found.kind is Kind.TABLE]
