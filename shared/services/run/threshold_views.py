"""What people see of thresholds, and what they may ask: the curve of a run, what is in force on the live model, another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TypeGuard

from shared.domain.config_reader import Reader
from shared.domain.config_threshold import threshold_rule, unfit
from shared.domain.errors import Conflict, InvalidConfig, InvalidInput, NotFound
from shared.domain.labels import speller
from shared.domain.rows import payloads
from shared.domain.rows.remarks import MOST, written
from shared.domain.run.dataset import Dataset
from shared.domain.run.documents import Run
from shared.domain.threshold import PLAIN, Curve, Point, Threshold, ThresholdRule, Tradeoff, chosen, tradeoff
from shared.services.run import live_threshold
from shared.services.run.context import Context
from shared.services.run.store import RunStore
from shared.services.run.thresholds import curve_path, rarer, remark
from shared.services.run.training import placement_of, snapshot_of

_EXAMPLE = '{"threshold": 0.3}, {"threshold": null} or {"maximise": "f1"}'


@dataclass(frozen=True)
class CurvePoint(Tradeoff):
    """What answers by this threshold are worth over all holdout rows that the gate scored."""

    threshold: float = 0.0


@dataclass(frozen=True)
class CurveView:
    """The trade-off of a run's thresholds, ascending. `rows` are those it is counted on; `in_force` is the run's own."""

    run_id: str
    classes: tuple[str, ...]
    positive: str
    rows: int
    in_force: Threshold
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class LiveThresholdView:
    """The live model's threshold. `pending`: the endpoint's own callers are still answered by the one before."""

    dataset: str
    run_id: str
    model: str
    says: str
    in_force: Threshold
    pending: bool
    #: Where its curve is; None where it has none.
    curve: str | None = None


@dataclass(frozen=True)
class Asked:
    """What a body asks for: a rule (None for none), and what is said of it."""

    rule: ThresholdRule | None
    note: str = ""


def curve(run_id: str, store: RunStore) -> CurveView:
    """Raises NotFound: no such run, or it has no curve, and why."""
    return curve_of(store.load(run_id)[0], store)


def curve_of(run: Run, store: RunStore) -> CurveView:
    """Raises NotFound: it has no curve, and why."""
    found = store.read(curve_path(run.run_id), Curve)
    if found is None:
        raise NotFound(f"The run {run.run_id} has no curve of thresholds: {_why(run)}.", code="no-curve")
    cost = run.threshold.rule.cost if run.threshold and run.threshold.rule else None
    points = tuple(CurvePoint(**asdict(tradeoff(p.whole, cost)), threshold=p.threshold) for p in found.points)
    rows = found.points[0].whole.rows if found.points else 0
    return CurveView(run.run_id, found.classes, found.positive, rows, run.threshold or Threshold(), points)


def _why(run: Run) -> str:
    if run.snapshot and len(run.snapshot.schema.classes) != 2:
        return "its label has not two classes"
    if run.threshold and run.threshold.note:
        return run.threshold.note
    if run.placement and run.placement.mode != "script":
        return "its deployment answers labels alone (DEPLOYMENT_MODE=no_code)"
    return "the gate has not scored its model, or has had no rows to do it"


def in_force(name: str, ctx: Context) -> LiveThresholdView:
    """Of the dataset's live model. Raises NotFound, and Conflict where it can't have one."""
    return _view(*_live(name, ctx), ctx)


def set_threshold(name: str, body: bytes, actor: str, ctx: Context) -> LiveThresholdView:
    """Have the live model answer by another threshold. The same again changes nothing.

    Raises InvalidInput, NotFound, and Conflict where it can't have one.
    """
    dataset, run = _live(name, ctx)
    asked = parsed(body)
    now = dataset.change.threshold if dataset.change else run.threshold or Threshold()
    wanted = replace(
        _decided(run, asked.rule, ctx), actor=actor, at=round(ctx.clock(), 3), comment=asked.note
    )
    same = (now.value, now.rule) == (wanted.value, wanted.rule)
    if same and (dataset.change or now.deployment == "follows"):
        return _view(dataset, run, ctx)
    dataset = live_threshold.ask(dataset, run, wanted, ctx)
    if dataset.champion != run.run_id:
        raise Conflict(
            f"Another model of {dataset.dataset[:80]!r} went live meanwhile: {dataset.champion}.",
            remedy="Ask again for the threshold of that one.",
            code="live-model-changed",
        )
    return _view(dataset, ctx.store.load(run.run_id)[0], ctx)


def parsed(body: bytes) -> Asked:
    """From a JSON object. Raises MalformedBody, InvalidInput."""
    doc = payloads.load_json(body, f"Send {_EXAMPLE}.")
    if not isinstance(doc, Mapping):
        raise _refused(f"The body must be a JSON object, as {_EXAMPLE}.", "(body)")
    said = dict(doc)
    note = said.pop("note", "")
    if not isinstance(note, str) or len(note) > MOST or not written(note):
        raise _refused(f"note must be a text of at most {MOST} characters.", "note")
    if "threshold" in said and len(said) > 1:
        other = next(key for key in said if key != "threshold")
        raise _refused(f"The body says threshold and {other[:40]!r}: it is one or the other.", "threshold")
    _check_numbers(said)
    try:
        rule = threshold_rule(said.get("threshold", said), Reader("the request"))
    except InvalidConfig as error:
        raise _refused(error.message, str(error.where.get("field", "threshold")), error.remedy) from error
    return Asked(rule, note.strip())


def _check_numbers(said: Mapping[str, object]) -> None:
    """What a file may leave to be guessed, a program says: a number as one, and what a row missed costs. Raises InvalidInput."""
    inner = said.get("threshold", said)
    rule = inner if isinstance(inner, Mapping) else {"": inner}
    cost = rule.get("cost")
    prices = {f"cost.{name}": value for name, value in cost.items()} if isinstance(cost, Mapping) else {}
    for name, value in {**rule, **prices}.items():
        if name != "positive" and _is_number_as_text(value):
            path = f"threshold.{name}".rstrip(".")
            raise _refused(
                f"{path} is the text {value[:40]!r}, not a number.",
                path,
                "Send the number without quotation marks.",
            )
    if isinstance(cost, Mapping) and "false_negative" not in cost:
        raise _refused(
            "cost says nothing of false_negative.",
            "threshold.cost",
            'Send both, as {"cost": {"false_positive": 1, "false_negative": 5}}.',
        )


def _is_number_as_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip()) and not value.strip().strip("0123456789.,+-eE% ")


def _refused(message: str, field: str, remedy: str = "") -> InvalidInput:
    return InvalidInput(message, remedy=remedy or f"Send {_EXAMPLE}.", code="invalid-threshold", field=field)


def _live(name: str, ctx: Context) -> tuple[Dataset, Run]:
    dataset = ctx.store.find_dataset(name)
    if dataset.champion is None:
        raise NotFound(
            f"No model of the dataset {name[:80]!r} is in service.",
            remedy="GET /api/runs?dataset=... tells how far its run is.",
            code="no-live-model",
        )
    run, _ = ctx.store.load(dataset.champion)
    schema = snapshot_of(run).schema
    if len(schema.classes) != 2:
        has = f"{len(schema.classes)} classes" if schema.classes else "no classes: it is a quantity"
        raise Conflict(
            f"Only a label of two classes has a threshold, and {schema.label!r} has {has}.",
            remedy="Nothing: the answers of this model follow from no threshold.",
            code="no-threshold",
        )
    if run.placement is None or run.placement.mode != "script":
        raise Conflict(
            f"The live model of {name[:80]!r} answers labels alone (DEPLOYMENT_MODE=no_code), so there is no threshold.",
            remedy="Set DEPLOYMENT_MODE=script; the next version has one: POST /api/pipelines/{dataset}/runs.",
            code="no-probabilities",
        )
    return dataset, run


def _decided(run: Run, rule: ThresholdRule | None, ctx: Context) -> Threshold:
    """What the rule makes of the run's curve."""
    schema, before = snapshot_of(run).schema, run.threshold or Threshold()
    wrong = unfit(rule, schema.label, schema.classes) if rule else None
    if wrong:
        raise _refused(wrong.message, "positive", wrong.remedy)
    found = ctx.store.read(curve_path(run.run_id), Curve)
    if found is None and rule is not None and rule.value is None:
        raise Conflict(
            f"The run {run.run_id} has no curve to choose a threshold from: {_why(run)}.",
            remedy='Send a number: {"threshold": 0.3}.',
            code="no-curve",
        )
    spell = speller(schema.classes)
    positive = spell(rule.positive) if rule and rule.positive is not None else before.positive
    positive = positive or rarer(snapshot_of(run), schema.classes)
    base = Threshold(classes=before.classes, positive=positive, deployment="lacks")
    points = found.of(positive).points if found else ()
    if rule is None or rule.value is not None:
        return _by_number(replace(base, rule=rule, value=rule.value if rule else None), points)
    choice = chosen(rule, found.of(positive).choices() if found else [])
    if choice.threshold is None:
        raise InvalidInput(
            f"The model stays as it is: {choice.why}.",
            remedy=f"Ask for less; GET /api/runs/{run.run_id}/threshold lists what there is.",
            code="threshold-out-of-reach",
        )
    here, plain = _nearest(points, choice.threshold), _nearest(points, PLAIN)
    return replace(
        base,
        rule=rule,
        value=choice.threshold,
        chosen_on=tradeoff(here.chosen_on, rule.cost),
        reported_on=tradeoff(here.reported_on, rule.cost),
        plain=tradeoff(plain.reported_on, rule.cost),
        note=remark(rule, here.chosen_on, here.reported_on),
    )


def _by_number(asked: Threshold, points: tuple[Point, ...]) -> Threshold:
    """What a number that was said is worth: nothing was chosen by any row, so all of them tell."""
    if not points:
        return asked
    plain = tradeoff(_nearest(points, PLAIN).whole)
    if asked.value is None:
        return replace(asked, plain=plain)
    exact = next((point for point in points if point.holds_at(asked.value)), None)
    here = exact or _nearest(points, asked.value)
    note = "" if exact else f"The numbers are those of {here.threshold:g}, the nearest point of the curve."
    return replace(asked, reported_on=tradeoff(here.whole), plain=plain, note=note)


def _nearest(points: tuple[Point, ...], threshold: float) -> Point:
    return min(points, key=lambda point: (abs(point.threshold - threshold), point.threshold))


def _view(dataset: Dataset, run: Run, ctx: Context) -> LiveThresholdView:
    """What a person asked holds from then on, whatever of it is still to be done."""
    asked = dataset.change if dataset.change and dataset.change.run_id == run.run_id else None
    now = run.threshold or Threshold()
    if asked and (now.at, now.actor) != (asked.threshold.at, asked.threshold.actor):
        now = asked.threshold
    has_curve = ctx.store.documents.get(curve_path(run.run_id)) is not None
    return LiveThresholdView(
        dataset.dataset,
        run.run_id,
        run.model.label if run.model else "",
        _says(run, now),
        now,
        pending=now.deployment != "follows",
        curve=f"/api/runs/{run.run_id}/threshold" if has_curve else None,
    )


def _says(run: Run, now: Threshold) -> str:
    if now.value is None:
        return "The more probable class is answered."
    second = (
        f"{now.classes[1]!r}"
        if len(now.classes) == 2
        else f"the second class of deployment {placement_of(run)[1]}"
    )
    return f"{second} is answered where its probability is at least {now.value:g}."
