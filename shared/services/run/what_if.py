"""What people see of a decision of the gate, and what it would have been by other terms. Nothing is changed by asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from shared.domain.automl_names import GATE_METRICS
from shared.domain.config_reader import Reader
from shared.domain.config_values import GATE_FIELDS
from shared.domain.documents import from_json
from shared.domain.errors import InvalidConfig, InvalidInput, NotFound, Refused
from shared.domain.evidence import Diff, Evidence, rejudged
from shared.domain.gate import GateConfig, Verdict
from shared.domain.gate.probabilities import SCORE_METRICS
from shared.domain.rows import payloads
from shared.domain.run.documents import Run
from shared.services.documents import Known, unseen
from shared.services.run.comparing import diff_path, evidence_path
from shared.services.run.levers import approving
from shared.services.run.store import RunStore

#: Terms that a what-if may change.
TERMS = ("metric", "margin", "policy", "floor", "insufficient_evidence")
_EXAMPLE = '{"metric": "balanced_accuracy", "margin": 0.01}'


@dataclass(frozen=True)
class JudgementView:
    """A decision of the gate, and what comes of it: a person may be asked first."""

    decision: str
    outcome: Literal["promote", "reject", "awaiting_approval"]
    reason: str
    numbers: Verdict


@dataclass(frozen=True)
class WhatIfView:
    """The decision as it fell, and as it `would` have fallen by `terms`. `changed` names the terms that are not those of then."""

    run_id: str
    dataset: str
    champion_run: str | None
    differs: bool
    did: JudgementView
    would: JudgementView
    terms: GateConfig
    changed: tuple[str, ...]


def diff(run_id: str, store: RunStore, known: Known = unseen) -> tuple[Diff | None, str]:
    """The prediction diff and its ETag; none where the ETag is `known`. Raises NotFound."""
    run = store.load(run_id)[0]
    found = store.documents.get(diff_path(run_id))
    if found is None:
        raise _none(run, "prediction diff")
    return (None if known(found[1]) else from_json(found[0], Diff)), found[1]


def what_if(run_id: str, body: bytes, store: RunStore) -> WhatIfView:
    """The gate's decision on a run, taken again. Raises InvalidInput, NotFound, and Conflict where too little was kept."""
    run = store.load(run_id)[0]
    said = _said(body, run)
    evidence = store.read(evidence_path(run_id), Evidence)
    numbers = run.gate.numbers if run.gate else None
    if evidence is None or numbers is None:
        raise _none(run, "evidence to judge it again by")
    before = evidence.terms.config
    config = replace(before, **said)
    wanted = evidence.terms.primary if config.metric == "auto" else config.metric
    if evidence.scores_left_out and wanted in SCORE_METRICS:
        raise Refused(
            f"The gate had more probabilities of {run_id} than are kept, so {wanted} can't be told again.",
            remedy='Ask for a metric of labels: {"metric": "balanced_accuracy"}.',
            code="scores-not-kept",
        )
    found = rejudged(evidence, config)
    found = replace(found, score_distance=numbers.score_distance)
    if found.metric in SCORE_METRICS:
        found = replace(
            found,
            calibration_error=numbers.calibration_error,
            champion_calibration_error=numbers.champion_calibration_error,
        )
    would = _view(run, approving.allowed(run, approving.suspected(run, evidence.champion_run, found)))
    did = _view(run, numbers)
    return WhatIfView(
        run_id,
        run.dataset,
        evidence.champion_run,
        did.outcome != would.outcome,
        did,
        would,
        config,
        tuple(f.name for f in fields(config) if getattr(config, f.name) != getattr(before, f.name)),
    )


def _view(run: Run, verdict: Verdict) -> JudgementView:
    outcome = "awaiting_approval" if approving.wanted(run, verdict) else verdict.decision
    return JudgementView(verdict.decision, outcome, verdict.reason, verdict)


def _said(body: bytes, run: Run) -> dict[str, Any]:
    doc = payloads.load_json(body, f"Send {_EXAMPLE}.") if body.strip() else {}
    if not isinstance(doc, Mapping):
        raise _refused(f"The body must be a JSON object, as {_EXAMPLE}.", "(body)")
    for name, value in doc.items():
        number = name in ("margin", "floor")
        if name in TERMS and (
            isinstance(value, bool) or not isinstance(value, int | float if number else str)
        ):
            raise _refused(f"{name} must be a {'number' if number else 'word'}.", name)
    try:
        said = Reader("the request").read(doc, {name: GATE_FIELDS[name] for name in TERMS})
    except InvalidConfig as error:
        raise _refused(error.message, str(error.where.get("field", "(body)")), error.remedy) from error
    task = "regression" if run.config.task == "regression" else "classification"
    if "metric" in said and said["metric"] not in GATE_METRICS[task]:
        names = ", ".join(GATE_METRICS[task])
        raise Refused(
            f"{said['metric']} is no metric of a {task}, which {run.run_id} is.",
            remedy=f"One of {names}.",
            code="metric-of-other-task",
            field="metric",
        )
    return said


def _refused(message: str, field: str, remedy: str = "") -> InvalidInput:
    return InvalidInput(message, remedy=remedy or f"Send {_EXAMPLE}.", code="invalid-terms", field=field)


def _none(run: Run, what: str) -> NotFound:
    """Why the run has none of it."""
    gate = run.gate
    if gate is None or (gate.decision is None and gate.numbers is None):
        why = f"the gate has not compared its model (it is {run.state})"
    elif gate.numbers is None:
        why = f"its model was not compared: {gate.reason}"
    else:
        why = "an earlier release judged it, or it was deleted since (KEEP_DAYS)"
    return NotFound(
        f"The run {run.run_id} has no {what}: {why}.",
        remedy="GET /api/runs/{id} has the verdict's numbers, where there are any.",
        code="no-evidence",
    )
