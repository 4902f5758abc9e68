"""Of which members a trial's model is made, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dropml.azureml.automl.fit.models import Model
from dropml.azureml.automl.model.pipeline import AutoMLPipeline, StackEnsemble, VotingEnsemble
from dropml.azureml.automl.scratch import Facts, Scratch


@dataclass(frozen=True)
class Mixture:
    """`members`: scratch folders of the trials whose models are mixed, one for a single model.

    `weights` of a vote, `coef` and `intercept` of a stack; `threshold` of the decision between two labels.
    """

    members: list[str]
    weights: list[float] | None = None
    coef: np.ndarray | None = None
    intercept: np.ndarray | None = None
    threshold: float | None = None


def assemble(scratch: Scratch, facts: Facts, mixture: Mixture, *, refitted: bool) -> AutoMLPipeline:
    """The pipeline, from models fitted on all rows (`refitted`) or as their first fold left them."""
    encoder = scratch.object("all_encoder" if refitted else "fold0_encoder")
    members = [scratch.object(f"{name}/{'refit' if refitted else 'model0'}") for name in mixture.members]
    return AutoMLPipeline(
        facts.types, encoder, _mixed(mixture, members, facts.n_classes), facts.labels, mixture.threshold
    )


def _mixed(mixture: Mixture, members: list[Model], n_classes: int) -> Model:
    if mixture.weights is not None:
        return VotingEnsemble(members, mixture.weights)
    if mixture.coef is not None and mixture.intercept is not None:
        return StackEnsemble(members, mixture.coef, mixture.intercept, n_classes)
    return members[0]
