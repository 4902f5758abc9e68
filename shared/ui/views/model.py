"""A model: its curves, what weighs in it, what AutoML checked of its data, its threshold and what that trades."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shared.domain.charts import Charts, ClassCurves
from shared.domain.errors import DropMLError, NotFound
from shared.domain.run.documents import Run
from shared.services.run import artifacts, threshold_views
from shared.services.run.threshold_views import CurvePoint, CurveView
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page
from shared.ui.views.card import card
from shared.ui.views.run import opened, shown

#: Features drawn; the JSON has up to 200.
FEATURES = 20


def model(desk: Desk, visit: Visit) -> Page:
    of = opened(desk, visit.names[0])
    run = of.run
    asks = _asks(desk, run)
    with ThreadPoolExecutor(4, thread_name_prefix="dropml-read") as pool:
        (charts, no_charts), (explanation, no_explanation), (guardrails, no_guardrails), (curve, no_curve) = (
            future.result() for future in [pool.submit(_asked, ask) for ask in asks]
        )
    wanted = visit.said.get("class", "")
    known = charts if isinstance(charts, Charts) else None
    one = _class(known, wanted) if known else None
    point = _point(curve, visit.said.get("at", "")) if isinstance(curve, CurveView) else None
    more: dict[str, object] = {
        "charts_of": known,
        "no_charts": no_charts,
        "one": one,
        "explanation": explanation,
        "features": getattr(explanation, "features", ())[:FEATURES],
        "no_explanation": no_explanation,
        "guardrails": guardrails,
        "no_guardrails": no_guardrails,
        "curve": curve,
        "no_curve": no_curve,
        "point": point,
        "trade": _trade(curve, point) if isinstance(curve, CurveView) and point else None,
        "card": card(run),
        "live_now": bool(of.dataset and of.dataset.champion == run.run_id),
    }
    return shown(desk, of, "/model", more, "model.html", "model")


def _asks(desk: Desk, run: Run) -> tuple[Callable[[], object], ...]:
    """Charts, weights, checks and curve; what can't change any more is read once by a process."""
    if run.best is None:
        return (_untrained,) * 4
    ctx, trial, kept = desk.context(), run.best.name, desk.settled.artifacts

    def curve() -> object:
        return threshold_views.curve_of(run, ctx.store)

    # the gate of an open run may compare once more, and writes another curve then
    key = ("curve", run.run_id, repr(run.threshold))
    return (
        lambda: kept.get(
            ("charts", run.run_id, trial),
            lambda: artifacts.charts_of(run.run_id, trial, ctx.files, ctx.store),
        ),
        lambda: kept.get(("weights", run.run_id), lambda: artifacts.explanation_of(run.run_id, ctx.store)),
        lambda: kept.get(("checks", run.run_id), lambda: artifacts.guardrails_of(run.run_id, ctx.store)),
        curve if run.is_open else lambda: kept.get(key, curve),
    )


def _untrained() -> object:
    raise NotFound("No model came out of this run yet.")


def _asked(ask: Callable[[], object]) -> tuple[object, str]:
    """What is there, or why it isn't."""
    try:
        return ask(), ""
    except DropMLError as error:
        return None, error.message


def _class(found: Charts, wanted: str) -> ClassCurves | None:
    """The class asked for, else the rarest: of two, that is the one that people look for."""
    named = next((each for each in found.classes if each.label == wanted), None)
    return named or min(found.classes, key=lambda each: each.positives, default=None)


@dataclass(frozen=True)
class Trade:
    """Precision and recall over the threshold, where each is known, and the place of the point that is shown."""

    precision: list[tuple[float, float]]
    recall: list[tuple[float, float]]
    at: int | None


def _trade(curve: CurveView, shown: CurvePoint) -> Trade:
    precision = [(each.threshold, each.precision) for each in curve.points if each.precision is not None]
    recall = [(each.threshold, each.recall) for each in curve.points if each.recall is not None]
    at = next((i for i, (x, _) in enumerate(precision) if x == shown.threshold), None)
    return Trade(precision, recall, at)


def _point(curve: CurveView, at: str) -> CurvePoint | None:
    """The point nearest to what was asked for, else to what is in force."""
    try:
        wanted = float(at) if at else curve.in_force.value
    except ValueError:
        wanted = None
    value = 0.5 if wanted is None else wanted
    return min(curve.points, key=lambda point: abs(point.threshold - value), default=None)
