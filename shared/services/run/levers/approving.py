"""A person is asked before a run gets traffic: where its file is suspicious, or its dataset wants it so.

What waits is out of the way of newer runs. Once approved it goes through the gate again, against what is live by then.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.gate import Verdict
from shared.domain.run.acts import Act, Approval
from shared.domain.run.documents import Run
from shared.domain.run.parts import Gate
from shared.domain.run.states import State
from shared.services.run.context import Context
from shared.services.run.traffic import reject


def wanted(run: Run, verdict: Verdict) -> str | None:
    """Why a person is to be asked before this run gets traffic; None where nobody is, or has said yes.

    What speaks against the model itself is no question: it is rejected. What speaks against its file alone is one.
    """
    if _approved(run) or verdict.objection:
        return None
    if verdict.suspicious and run.config.approval != "none":
        return f"The file is suspicious: {verdict.suspicious}."
    if verdict.decision == "promote" and run.config.approval == "required":
        return f"The dataset asks for approval of every model. The gate says: {verdict.reason}."
    return None


def allowed(run: Run, verdict: Verdict) -> Verdict:
    """The verdict, with a person's word that the suspicious file is right."""
    said = _approved(run)
    if said is None or not verdict.suspicious or verdict.objection:
        return verdict
    return replace(verdict, decision="promote", reason=f"approved by {said.actor} although: {verdict.reason}")


def _approved(run: Run) -> Act | None:
    return run.approval.said if run.approval and run.approval.verdict == "approved" else None


def asked(run: Run, why: str, ctx: Context) -> Run:
    """The run, waiting for a person's word."""
    return run.advance(
        State.AWAITING_APPROVAL,
        ctx.clock(),
        detail={"why": why},
        approval=Approval(why, ctx.clock()),
    )


def awaiting(run: Run, ctx: Context) -> Run:
    """Lets newer runs pass while it waits; then does what was said."""
    approval = run.approval or Approval("", run.entered_at)
    if approval.verdict is None or approval.said is None:
        ctx.store.change_dataset(
            run.slug,
            lambda found: replace(found, promoting=None) if found.promoting == run.run_id else found,
        )
        if _too_long(approval, ctx):
            return _unanswered(run, ctx)
        return replace(
            run,
            waits_for=f"A person's word: POST /api/runs/{run.run_id}/approve or .../reject.",
        )
    said = approval.said
    told: dict[str, object] = {"verdict": approval.verdict} | ({"note": said.note} if said.note else {})
    if approval.verdict == "rejected":
        why = f"rejected by {said.actor}" + (f": {said.note}" if said.note else "")
        gate = replace(run.gate or Gate(), decision="reject", reason=why)
        return reject(replace(run, gate=gate), ctx, actor=said.actor)
    gate = replace(run.gate or Gate(), decision=None)
    return run.advance(State.GATE, ctx.clock(), detail=told, actor=said.actor, gate=gate)


def _too_long(approval: Approval, ctx: Context) -> bool:
    days = ctx.guardrails.approval_days
    return bool(days) and ctx.clock() - approval.asked_at > days * 86400


def _unanswered(run: Run, ctx: Context) -> Run:
    why = f"nobody said anything within {ctx.guardrails.approval_days:g} days (APPROVAL_DAYS)"
    return reject(replace(run, gate=replace(run.gate or Gate(), decision="reject", reason=why)), ctx)
