"""Challenger against champion: asked, judged, and what was seen kept, so that people can look at it and ask what if."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.evidence import Diff, Evidence, Scored, diff_of, kept
from shared.domain.gate import LatencyLimits, Seen, Terms, Verdict, judge_answers
from shared.domain.gate.scores import by_class, closer, distance
from shared.domain.metrics import primary_metric
from shared.domain.run.documents import Run
from shared.services.guard import safely, told
from shared.services.run import holdouts, thresholds, trouble
from shared.services.run.context import Context
from shared.services.run.holdouts import Asked, Silent
from shared.services.run.ports import Endpoint
from shared.services.run.thresholds import Choice
from shared.services.run.training import snapshot_of


@dataclass(frozen=True)
class Compared:
    """The verdict and the challenger's threshold, and what they come from: labels are by the threshold of each."""

    verdict: Verdict
    choice: Choice
    terms: Terms
    asked: Asked
    seen: Seen
    earlier: Seen | None
    #: Why the champion's own holdout was not compared, where it was not.
    why_not: str | None
    #: That the live model didn't answer, so that the run was judged as a first model is.
    silent: str | None = None


def diff_path(run_id: str) -> str:
    return f"gate/{run_id}.json"


def evidence_path(run_id: str) -> str:
    return f"evidence/{run_id}.json"


def compared(run: Run, champion: Run | None, endpoint: Endpoint, ctx: Context) -> Compared:
    """From the new file's holdout and that of the champion's own file.

    A champion that doesn't answer, however often it is asked, holds no better model up: the run is judged without it.
    """
    try:
        return _compared(run, champion, endpoint, ctx)
    except Silent as silent:
        known = run.gate is not None and run.gate.silent is not None  # and a person has said yes since
        if not known and not trouble.hopeless(run, silent.cause, ctx):
            silent.cause.message = silent.said[0].upper() + silent.said[1:]
            raise silent.cause from None
        alone = _compared(run, None, endpoint, ctx)
        objection = alone.verdict.objection
        verdict = replace(
            alone.verdict,
            reason=_without(alone.verdict.reason, silent.said),
            objection=objection and _without(objection, silent.said),
        )
        return replace(alone, verdict=verdict, silent=silent.said)


def _without(reason: str, said: str) -> str:
    first = "no champion yet"
    return reason.replace(first, said) if first in reason else f"{said}; {reason}"


def _compared(run: Run, champion: Run | None, endpoint: Endpoint, ctx: Context) -> Compared:
    asked = holdouts.ask(snapshot_of(run), run, champion, endpoint, ctx)
    choice = thresholds.choose(run, asked.seen.choosing, asked.seen.truth, asked.seen.challenger, ctx.clock())
    mine = replace(run, threshold=choice.threshold)
    before, why_not = holdouts.earlier(run, champion, endpoint, ctx) if champion else (None, None)
    seen = thresholds.labelled(asked.seen, mine, champion)
    earlier = thresholds.labelled(before, mine, champion) if before else None
    terms = terms_of(run, champion, ctx)
    verdict = judge_answers(seen, terms, earlier=earlier, calls=asked.calls)
    notes = [note for note in (verdict.note, why_not) if note]
    verdict = replace(
        verdict, note="; ".join(notes) or None, score_distance=_rightly_apart(asked.seen, verdict, terms)
    )
    return Compared(verdict, choice, terms, asked, seen, earlier, why_not)


def _rightly_apart(seen: Seen, verdict: Verdict, terms: Terms) -> float | None:
    """How far the probabilities of both lie apart on the same rows, where the challenger's are proven to be the better ones.

    None where they are not, by the primary metric or by how close they come to the truth, and where one of the two has none.
    """
    scores = by_class(seen.challenger, terms.classes)
    others = by_class(seen.champion, terms.classes) if seen.champion else None
    if scores is None or others is None:
        return None
    better = verdict.low is not None and verdict.low > 0
    return round(distance(scores, others), 4) if better or closer(seen.truth, scores, others) else None


def terms_of(run: Run, champion: Run | None, ctx: Context) -> Terms:
    """By what the run is judged."""
    config = run.config
    return Terms(
        config.gate,
        snapshot_of(run).schema.classes,
        primary_metric(config),
        run.run_id,
        LatencyLimits(ctx.canary.limits.latency_factor, ctx.gate_latency_floor_ms),
        champion.gate.numbers if champion and champion.gate else None,
        config.task == "regression",
    )


def keep(run: Run, champion: Run | None, found: Compared, ctx: Context) -> None:
    """Before the verdict is written, so that none is there without what it came from; done again it is written over."""
    champion = None if found.silent else champion
    if found.choice.curve:
        ctx.store.write(thresholds.curve_path(run.run_id), found.choice.curve)
    try:
        diff, evidence = _made(run, champion, found, ctx)
    except Exception as error:  # noqa: BLE001 - what people look at later holds no verdict up
        safely(ctx.log, "what the gate saw is not kept", run_id=run.run_id, **told(error).to_dict())
        return
    ctx.store.write(diff_path(run.run_id), diff)
    ctx.store.write(evidence_path(run.run_id), evidence)


def _made(run: Run, champion: Run | None, found: Compared, ctx: Context) -> tuple[Diff, Evidence]:
    before = champion.run_id if champion else None
    at, snapshot = round(ctx.clock(), 3), snapshot_of(run)
    scored = Scored(found.seen, found.asked.rows, found.asked.places, snapshot.schema, snapshot.holdout_path)
    diff = diff_of(run.run_id, before, at, scored, keep_values=ctx.gate_values)
    evidence = kept(
        run.run_id,
        before,
        at,
        found.terms,
        found.seen,
        earlier=found.earlier,
        calls=found.asked.calls,
        note=found.why_not,
    )
    return diff, evidence
