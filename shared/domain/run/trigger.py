"""The body of a call that starts the retraining pipeline: what shall be otherwise than the dataset's configuration says."""

from __future__ import annotations

from shared.domain.config_values import FIELDS
from shared.domain.errors import InvalidInput
from shared.domain.rows import payloads
from shared.domain.run.pipeline_run import PipelineParameters

NAMES = ("timeout_minutes", "max_trials")
_REMEDY = f"It takes {' and '.join(NAMES)}; both may be left out."


def parse(body: bytes) -> PipelineParameters:
    """An empty body says nothing. Raises MalformedBody, InvalidInput."""
    doc = payloads.load_json(body, _REMEDY) if body.strip() else {}
    if not isinstance(doc, dict):
        raise InvalidInput("The body must be a JSON object.", remedy=_REMEDY, field="(body)")
    said = {}
    for name, value in doc.items():
        shown = name[:40].encode("utf-8", "replace").decode() or "(no name)"
        if name not in NAMES:
            raise InvalidInput(f"There is no field {shown!r} here.", remedy=_REMEDY, field=shown)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(f"{name} must be a number.", remedy=_REMEDY, field=name)
        try:
            said[name] = FIELDS[name](value)
        except ValueError as error:
            raise InvalidInput(f"{name} must be {error}.", remedy=_REMEDY, field=name) from error
    return PipelineParameters(**said)  # type: ignore[arg-type]
