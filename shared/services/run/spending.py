"""Trainings are let through one by one, by conditional writes of one document: two hosts can't exceed a limit together."""

from __future__ import annotations

from itertools import pairwise

from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.domain.errors import NotFound
from shared.domain.run.documents import Run
from shared.domain.run.migrations import pipeline_run_of
from shared.domain.run.states import State
from shared.domain.spend import Admission, Caps, Refusal, Spend
from shared.services import conditional
from shared.services.run.context import Context

PATH = "spend.json"
PIPELINE = "pipeline:"
#: Trainings under way that the document holds before those that are over are looked for.
MANY = 100
_TRAINS = frozenset({State.DROPPED, State.VALIDATING, State.REGISTERED, State.TRAINING})


def let_through(key: str, slug: str, minutes: float, own: Caps, ctx: Context) -> Refusal | None:
    """Count a training of so many minutes at most, unless something speaks against it. The same key is counted once."""
    rails = ctx.guardrails
    if not (rails.caps.any or own.any or rails.places):
        return None

    def attempt() -> Refusal | None:
        before, etag = _read(ctx)
        now = before.on(ctx.clock())
        if key in now.open:
            return None
        refusal = now.refusal(slug, minutes, rails.caps, own, rails.places)
        if (refusal or len(now.open) >= MANY) and rails.freed.due(ctx.active()):
            now = now.over(_ended(now.open, ctx))
            refusal = now.refusal(slug, minutes, rails.caps, own, rails.places)
        after = now if refusal else now.admitted(key, slug, minutes)
        if after != before:
            _write(after, etag, ctx)
        return refusal

    return conditional.write(attempt, PATH)


def _read(ctx: Context) -> tuple[Spend, str | None]:
    """One that can't be read is begun anew: a limit too few is better than a standstill."""
    try:
        found = ctx.store.documents.get(PATH)
        return (from_json(found[0], Spend), found[1]) if found else (Spend(), None)
    except InvalidDocument:
        ctx.log("spend.json can't be read and is begun anew")
        ctx.store.documents.delete(PATH)
        return Spend(), None


def _write(after: Spend, etag: str | None, ctx: Context) -> None:
    if etag is None:
        ctx.store.documents.create(PATH, to_json(after))
    else:
        ctx.store.documents.replace(PATH, to_json(after), etag)


def _ended(under_way: dict[str, Admission], ctx: Context) -> dict[str, float | None]:
    """Minutes of those that are over."""
    found: dict[str, float | None] = {}
    for key, admission in under_way.items():
        try:
            over, took = _pipeline(key, ctx) if key.startswith(PIPELINE) else _run(key, ctx)
        except InvalidDocument:
            over, took = True, admission.minutes
        except NotFound:
            over, took = True, None
        if over:
            found[key] = took
    return found


def _run(run_id: str, ctx: Context) -> tuple[bool, float | None]:
    run, _ = ctx.store.load(run_id)
    return not (run.is_open and run.state in _TRAINS), trained_minutes(run)


def trained_minutes(run: Run) -> float | None:
    """Minutes that its jobs took; None where none was begun. Between two states by the clock."""
    spans = [
        max(0.0, after.at - now.at) / 60
        for now, after in pairwise(run.history)
        if now.state is State.TRAINING
    ]
    return sum(spans) if spans else None


def _pipeline(key: str, ctx: Context) -> tuple[bool, float | None]:
    slug, _, name = key.removeprefix(PIPELINE).partition("~")
    found = ctx.store.documents.get(f"pipelines/{slug}/{name}.json")
    if found is None:
        return True, None
    run = pipeline_run_of(found[0])
    took = max(0.0, run.updated_at - (run.starting_at or run.created_at)) / 60
    return not run.is_open, took if run.job else None
