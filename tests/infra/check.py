"""All checks of the templates in a folder, for both stages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.bicep import Finding
from tests.infra.facts import ROOT
from tests.infra.meaning import Stage
from tests.infra.soundness import in_order, sound
from tests.infra.template import Templates
from tests.infra.types import Types

INFRA = ROOT / "infra"
STAGES = ("dev", "prod")
#: What azd fills in, each with what a user would give.
GIVEN = {
    "AZURE_ENV_NAME": "somewhere",
    "AZURE_LOCATION": "westeurope",
    "AZURE_PRINCIPAL_ID": "11111111-2222-3333-4444-555555555555",
    "ALERT_EMAIL": "people@dropml.example",
    "AUTH_CLIENT_ID": "66666666-7777-8888-9999-000000000000",
}


@dataclass(frozen=True)
class Report:
    """`types_checked` is 0 where the reference is absent."""

    findings: tuple[Finding, ...]
    resources: int
    types_checked: int
    types_unknown: int
    settings: int
    settings_missing: int


def texts(folder: Path = INFRA) -> dict[str, str]:
    """Templates and parameters by their path in the folder."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".bicep", ".json"}
    }


def parameters(files: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, Any]:
    """main.parameters.json as azd fills it in: `${NAME=default}`; what is empty counts as not given where it may be."""
    found: dict[str, Any] = {}
    for name, entry in json.loads(files["main.parameters.json"])["parameters"].items():
        value = entry["value"]
        if isinstance(value, str):
            value = re.sub(r"\$\{(\w+)(?:=([^}]*))?\}", lambda m: environ.get(m[1]) or m[2] or "", value)
        found[name] = value
    return found


def check(files: Mapping[str, str], types: Types | None) -> Report:
    findings: dict[str, Finding] = {}
    resources = checked = unknown = settings = missing = 0
    for stage in (*STAGES, ""):  # none named: azd fills in the default
        for extra in ({}, {"ALERT_EMAIL": "", "AUTH_CLIENT_ID": "", "AZURE_PRINCIPAL_ID": ""}):
            templates = Templates(files, types)
            given = parameters(files, GIVEN | {"DROPML_STAGE": stage} | extra)
            found = Stage(templates, templates.unroll("main.bicep", given))
            told = [*templates.findings, *found.check(), *sound(found), *in_order(templates.parsed)]
            if types is not None:
                told += typed(templates, types)
            findings |= {str(each): each for each in told}
            if stage == "prod" and not extra:
                resources, settings, missing = len(found.made), len(found.settings), len(found.missing())
                checked = len(found.made) if types is not None else 0
                unknown = (
                    sum(each.target not in types for each in templates.resources) if types is not None else 0
                )
    return Report(tuple(findings.values()), resources, checked, unknown, settings, missing)


def typed(templates: Templates, types: Types) -> Iterator[Finding]:
    for each in templates.resources:
        if each.existing:
            if each.target not in types:
                yield Finding(each.where, f"there is no type {each.target}")
            continue
        scope = "extension" if each.scope is not None else each.deployed_to
        for what in types.check(each.target, each.body, scope):
            yield Finding(each.where, what)
