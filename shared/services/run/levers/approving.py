"""A person is asked before a run trains on a suspicious file, and before it gets traffic where its dataset wants it so.

What waits is out of the way of newer runs. Once approved it trains, or goes through the gate again, against what is live by
then.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.gate import Verdict
from shared.domain.run.acts import Act, Approval
from shared.domain.run.documents import Run
from shared.domain.run.parts import Gate
from shared.domain.run.states import State
from shared.services.run.context import Context
from shared.services.run.patience import in_state
from shared.services.run.traffic import reject

#: Who rejects what nobody has said anything on.
NOBODY = "dropml"


def wanted(run: Run, verdict: Verdict) -> str | None:
    """Why a person is to be asked before this run gets traffic; None where nobody is, or has said yes.

    What speaks against the model itself is no question: it is rejected. What speaks against its file alone is one.
    """
    if verdict.objection:
        return None
    said = _approved(run)
    if verdict.suspicious and not said and run.config.approval != "none":
        return f"The file is suspicious: {verdict.suspicious}."
    of_model = said and run.approval and not run.approval.before_training
    silent = run.gate.silent if run.gate else None
    if verdict.decision == "promote" and not of_model and silent and run.config.approval != "none":
        return f"It could not be compared with what is live. The gate says: {verdict.reason}."
    if verdict.decision == "promote" and not of_model and run.config.approval == "required":
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


def suspected(run: Run, champion: str | None, verdict: Verdict) -> Verdict:
    """The verdict, with what the same champion's answers to the new file made of it before training."""
    point = run.fresh.point if run.fresh else None
    if verdict.suspicious or point is None or point.suspicious is None or point.champion != champion:
        return verdict
    told = f"suspicious data: {point.suspicious}" + (f"; {verdict.objection}" if verdict.objection else "")
    return replace(verdict, decision="reject", reason=told, suspicious=point.suspicious)


def before_training(run: Run, doubt: str, ctx: Context) -> Run | None:
    """The run of a suspicious file, held before money is spent on it; None where a person has said that the file is right."""
    if _approved(run):
        return None
    if run.config.approval == "none":
        gate = Gate(decision="reject", reason=f"suspicious data: {doubt}")
        return reject(replace(run, gate=gate), ctx)
    return asked(run, f"The file is suspicious: {doubt}. Nothing was trained on it yet.", ctx)


def asked(run: Run, why: str, ctx: Context) -> Run:
    """The run, waiting for a person's word."""
    return run.advance(
        State.AWAITING_APPROVAL,
        ctx.clock(),
        detail={"why": why},
        approval=Approval(why, ctx.clock(), before_training=run.state is State.REGISTERED),
    )


def awaiting(run: Run, ctx: Context) -> Run:
    """Lets newer runs pass while it waits; then does what was said."""
    approval = run.approval or Approval("", run.entered_at)
    if approval.verdict is None or approval.said is None:
        ctx.store.change_dataset(
            run.slug,
            lambda found: replace(found, promoting=None) if found.promoting == run.run_id else found,
        )
        if _too_long(run, ctx):
            return _unanswered(run, ctx)
        return replace(
            run,
            waits_for=f"A person's word: POST /api/runs/{run.run_id}/approve or .../reject.",
        )
    said = approval.said
    told: dict[str, object] = {"verdict": approval.verdict} | ({"note": said.note} if said.note else {})
    if approval.verdict == "rejected":
        why = f"rejected by {said.actor}" + (f": {said.note}" if said.note else "")
        why = said.note if said.actor == NOBODY else why
        gate = replace(run.gate or Gate(), decision="reject", reason=why)
        return reject(replace(run, gate=gate), ctx, actor=said.actor)
    if approval.before_training:
        return run.advance(State.REGISTERED, ctx.clock(), detail=told, actor=said.actor)
    gate = replace(run.gate or Gate(), decision=None)
    return run.advance(State.GATE, ctx.clock(), detail=told, actor=said.actor, gate=gate)


def _too_long(run: Run, ctx: Context) -> bool:
    """In the lifecycle's own time: a clock that jumps speaks for nobody."""
    days = ctx.guardrails.approval_days
    return bool(days) and in_state(run, ctx) > days * 86400


def _unanswered(run: Run, ctx: Context) -> Run:
    """Written down before anything is done about it, so that a word that comes meanwhile finds it as it is."""
    why = f"nobody said anything within {ctx.guardrails.approval_days:g} days (APPROVAL_DAYS)"
    approval = run.approval or Approval("", run.entered_at)
    return replace(run, approval=replace(approval, verdict="rejected", said=Act(NOBODY, ctx.clock(), why)))
