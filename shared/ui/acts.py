"""What people may do on the pages: each is asked once, in words that name what it will do, and then done as the API does it."""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.errors import NotFound
from shared.ui import other_acts, run_acts
from shared.ui.questions import Doing

DOINGS: Mapping[tuple[str, str], Doing] = {
    ("runs", "retry"): Doing(run_acts.ask_retry, run_acts.retry, "This is the new attempt."),
    ("runs", "cancel"): Doing(run_acts.ask_cancel, run_acts.cancel, "It is being cancelled."),
    ("runs", "approve"): Doing(run_acts.ask_approve, run_acts.decide("approved"), "Approved, in your name."),
    ("runs", "reject"): Doing(run_acts.ask_reject, run_acts.decide("rejected"), "Rejected, in your name."),
    ("runs", "promote"): Doing(run_acts.ask_promote, run_acts.promote, "All traffic goes to this version."),
    ("datasets", "rollback"): Doing(run_acts.ask_rollback, run_acts.rollback, "Rolled back."),
    ("datasets", "pause"): Doing(run_acts.ask_pause, run_acts.pause, "Paused."),
    ("datasets", "resume"): Doing(run_acts.ask_resume, run_acts.resume, "It goes on."),
    ("datasets", "threshold"): Doing(run_acts.ask_threshold, run_acts.threshold, "The threshold is set."),
    ("quarantine", "release"): Doing(
        other_acts.ask_refused("release"), other_acts.refused("release"), "Released, this once."
    ),
    ("quarantine", "accept-schema"): Doing(
        other_acts.ask_refused("accept-schema"),
        other_acts.refused("accept-schema"),
        "The schema is accepted.",
    ),
    ("quarantine", "discard"): Doing(
        other_acts.ask_refused("discard"), other_acts.refused("discard"), "Given up."
    ),
    ("endpoints", "app-insights-on"): Doing(
        other_acts.ask_insights(enabled=True), other_acts.insights(enabled=True), "It is being turned on."
    ),
    ("endpoints", "app-insights-off"): Doing(
        other_acts.ask_insights(enabled=False), other_acts.insights(enabled=False), "It is being turned off."
    ),
    ("notifications", "resend"): Doing(
        other_acts.ask_resend, other_acts.resend, "It is sent again within a minute."
    ),
    ("pipelines", "cancel"): Doing(
        other_acts.ask_cancel_pipeline, other_acts.cancel_pipeline, "It is being cancelled."
    ),
    ("pipelines", "run"): Doing(
        other_acts.ask_pipeline, other_acts.pipeline, "The pipeline was asked to run."
    ),
}


def doing(kind: str, act: str) -> Doing:
    """Raises NotFound."""
    try:
        return DOINGS[kind, act]
    except KeyError:
        raise NotFound(f"Nobody can do {act[:40]!a} here.", remedy="Go back to the overview.") from None
