"""Documents of earlier releases, opened: numbered steps from one schema version to the next, JSON to JSON.

A document without `schema` is of version 1. A newer release's document is refused by name rather than cut to our size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shared.domain.documents import InvalidDocument, from_json
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import SCHEMA_VERSION, Run
from shared.domain.run.pipeline_run import PipelineRun

Document = dict[str, Any]
#: Keys of a problem that are its own; all others of version 1 say where it is.
_PROBLEM = ("code", "message", "remedy", "failed_in", "note")


def _problem_1(old: Document | None) -> Document | None:
    if not old:
        return None
    where = {k: v for k, v in old.items() if k not in _PROBLEM and isinstance(v, str | int | float)}
    return {k: old[k] for k in _PROBLEM if k in old} | {"where": where}


def _gate_1(old: Document) -> Document | None:
    if not old:
        return None
    numbers = {
        k: v for k, v in old.items() if k not in ("smoke", "champion_run") and not k.startswith("canary_")
    }
    numbers.pop("breach", None)
    head = {k: old[k] for k in ("smoke", "champion_run", "decision", "reason") if k in old}
    return head | ({"numbers": numbers} if "challenger" in numbers else {})


def _canary_1(gate: Document) -> Document | None:
    if "canary_percent" not in gate and "canary_since" not in gate:
        return None
    return {
        "percent": gate.get("canary_percent", 0),
        "since": gate.get("canary_since"),
        "passed": gate.get("canary_passed", False),
        "breach": gate.get("breach"),
        "calls": gate.get("canary_calls", {}),
    }


def _placement_1(old: Document) -> Document | None:
    return {("endpoint" if k == "name" else k): v for k, v in old.items()} if old else None


def _run_1(old: Document) -> Document:
    """Parts get the names of what they hold; what was an empty object is None."""
    gate, best = old.get("gate") or {}, old.get("best") or {}
    new = {k: v for k, v in old.items() if k not in ("data", "job", "endpoint", "error")}
    return new | {
        "snapshot": old["data"] if "path" in old.get("data", {}) else None,
        "training": old.get("job") or None,
        "best": ({"name": best.get("child"), **best} if best else None),
        "model": old.get("model") or None,
        "placement": _placement_1(old.get("endpoint") or {}),
        "gate": _gate_1(gate),
        "canary": _canary_1(gate),
        "problem": _problem_1(old.get("error")),
        "trouble": old.get("trouble") or None,
        "source": {k: v for k, v in (old.get("source") or {}).items() if v is not None},
    }


def _dataset_1(old: Document) -> Document:
    return old | {"open": {run_id: _run_1(run) for run_id, run in old.get("open", {}).items()}}


def _pipeline_run_1(old: Document) -> Document:
    return old | {"error": _problem_1(old.get("error"))}


Step = Callable[[Document], Document]
RUN: dict[int, Step] = {1: _run_1}
DATASET: dict[int, Step] = {1: _dataset_1}
PIPELINE_RUN: dict[int, Step] = {1: _pipeline_run_1}


def _current(document: Document, steps: dict[int, Step], what: str) -> Document:
    try:
        return _migrated(document, steps, what)
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise InvalidDocument(
            f"This {what} of an earlier release isn't what it should be ({type(error).__name__}).",
            remedy="It was changed by hand: restore it from the ledger or an older copy.",
        ) from error


def _migrated(document: Document, steps: dict[int, Step], what: str) -> Document:
    version = int(document.get("schema", 1))
    if version > SCHEMA_VERSION:
        raise InvalidDocument(
            f"This {what} is of schema version {version}; this release reads up to {SCHEMA_VERSION}.",
            remedy="Deploy the newer release again, or restore the document as it was before it.",
        )
    while version < SCHEMA_VERSION:
        document, version = steps[version](document), version + 1
    return document | {"schema": SCHEMA_VERSION}


def run_of(document: Document) -> Run:
    """A run's document of any release."""
    return from_json(_current(document, RUN, "run"), Run)


def dataset_of(document: Document) -> Dataset:
    """A dataset's document of any release. Earlier ones could leave the gate with a run that had ended: nobody has it then."""
    found = from_json(_current(document, DATASET, "dataset"), Dataset)
    return (
        found if found.promoting is None or found.promoting in found.open else replace(found, promoting=None)
    )


def pipeline_run_of(document: Document) -> PipelineRun:
    """A pipeline run's document of any release."""
    return from_json(_current(document, PIPELINE_RUN, "pipeline run"), PipelineRun)
