"""A model: its curves, what weighs in it, what AutoML checked of its data, its threshold and what that trades."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shared.domain.charts import Charts, ClassCurves
from shared.domain.errors import DropMLError, NotFound
from shared.services.run import artifacts, threshold_views
from shared.services.run.threshold_views import CurvePoint, CurveView
from shared.ui.desk import Desk, Visit
from shared.ui.render import Page
from shared.ui.views.card import card
from shared.ui.views.run import shown

#: Features drawn; the JSON has up to 200.
FEATURES = 20


def model(desk: Desk, visit: Visit) -> Page:
    run = desk.store.load(visit.names[0])[0]
    ctx, trial = desk.context(), run.best.name if run.best else ""
    asks: tuple[Callable[[], object], ...] = (
        lambda: artifacts.charts_of(run.run_id, trial, ctx.files, ctx.store),
        lambda: artifacts.explanation_of(run.run_id, ctx.store),
        lambda: artifacts.guardrails_of(run.run_id, ctx.store),
        lambda: threshold_views.curve(run.run_id, ctx.store),
    )
    if run.best is None:
        asks = (_untrained,) * len(asks)
    with ThreadPoolExecutor(4, thread_name_prefix="dropml-read") as pool:
        (charts, no_charts), (explanation, no_explanation), (guardrails, no_guardrails), (curve, no_curve) = (
            future.result() for future in [pool.submit(_asked, ask) for ask in asks]
        )
    wanted = visit.said.get("class", "")
    known = charts if isinstance(charts, Charts) else None
    one = _class(known, wanted) if known else None
    point = _point(curve, visit.said.get("at", "")) if isinstance(curve, CurveView) else None
    dataset = desk.store.dataset(run.slug)
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
        "card": card(run),
        "live_now": bool(dataset and dataset.champion == run.run_id),
    }
    return shown(desk, run, "/model", more, "model.html", "model")


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


def _point(curve: CurveView, at: str) -> CurvePoint | None:
    """The point nearest to what was asked for, else to what is in force."""
    try:
        wanted = float(at) if at else curve.in_force.value
    except ValueError:
        wanted = None
    value = 0.5 if wanted is None else wanted
    return min(curve.points, key=lambda point: abs(point.threshold - value), default=None)
