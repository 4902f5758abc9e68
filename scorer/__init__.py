"""Scoring an MLflow model folder: quickly in its compiled form, exactly in its reference form.

`load(folder, "compiled")` imports neither pandas nor scikit-learn, LightGBM's or XGBoost's Python packages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

from scorer.errors import CompiledFormError, SignatureError

__all__ = ["PARITY_LIMIT", "CompiledFormError", "Scorer", "SignatureError", "check_parity", "load"]


#: Forms that differ by more than this are not the same model: the reference form serves.
PARITY_LIMIT = 1e-6


class Scorer(Protocol):
    """A loaded model. `types`: MLflow type of each input column; `labels`: None for regression.

    `threshold`: probability of the second of two labels from which it is answered; None: the more probable one is.
    """

    columns: list[str]
    types: dict[str, str]
    labels: list[Any] | None
    threshold: float | None

    def predict(self, columns: list[str], data: list[list[Any]]) -> list[Any]:
        """A label, or a number, for each row. Raises SignatureError."""

    def predict_proba(self, columns: list[str], data: list[list[Any]]) -> list[list[float]]:
        """Probabilities in the order of `labels`. Raises SignatureError; TypeError for regression."""


def load(model_dir: Path, form: Literal["compiled", "reference"]) -> Scorer:
    """Load `model_dir`. Raises CompiledFormError if "compiled" is asked for and must not be served."""
    if form == "compiled":
        from scorer.compiled import CompiledScorer

        return CompiledScorer(Path(model_dir))
    from scorer.reference import ReferenceScorer

    return ReferenceScorer(Path(model_dir))


def check_parity(model_dir: Path) -> float:
    """Largest difference, over the rows of `dropml/parity.json`, between the two forms.

    Of probabilities; for regression of predictions, relative to the larger of 1 and their size.
    """
    from scorer.parity import largest_difference

    return largest_difference(Path(model_dir))
