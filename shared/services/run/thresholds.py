"""A run's threshold: chosen from what its deployment answers to the holdout, then put into the deployment before callers meet it.

A rule chooses on one half of the rows, told apart by hash. What the threshold is worth is told by the other half, and labels
are judged there alone: the rows that a choice was made on flatter it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.domain.answers import Answers
from shared.domain.canary import Tally
from shared.domain.errors import DropMLError
from shared.domain.gate import Seen
from shared.domain.gate.rules import MIN_CLASS_ROWS
from shared.domain.labels import speller
from shared.domain.run.documents import Run
from shared.domain.run.parts import Placement, Snapshot
from shared.domain.threshold import (
    PLAIN,
    Curve,
    Graded,
    Threshold,
    ThresholdRule,
    best,
    chosen,
    one,
    points,
    tradeoff,
)
from shared.domain.threshold.counts import METRICS, Counts
from shared.domain.threshold.curve import MOST_POINTS
from shared.services.run.context import Context
from shared.services.run.patience import Gone
from shared.services.run.training import deployment_spec, placement_of, snapshot_of

#: States in which a deployment can be changed.
SETTLED = ("Succeeded", "Failed", "Canceled")


def curve_path(run_id: str) -> str:
    return f"thresholds/{run_id}.json"


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the curve that it was chosen from; both None for other than two classes."""

    threshold: Threshold | None = None
    curve: Curve | None = None


def choose(run: Run, halves: Sequence[bool], truth: Sequence[str], answers: Answers, at: float) -> Choice:
    """The run's threshold by the rule of its configuration. `halves` tells the rows to choose it on."""
    found = _choose(run, halves, truth, answers, at)
    where = run.placement or Placement("")
    if found.threshold is None or found.threshold.value == where.threshold:
        return found
    return replace(found, threshold=replace(found.threshold, deployment="lacks"))


def _choose(run: Run, halves: Sequence[bool], truth: Sequence[str], answers: Answers, at: float) -> Choice:
    rule, snapshot = run.config.threshold, snapshot_of(run)
    if len(snapshot.schema.classes) != 2:
        return _none(
            rule, f"only a label of two classes has a threshold, and {snapshot.schema.label!r} is another", at
        )
    if rule and rule.value is not None and not truth and not _silent(run):
        return Choice(
            Threshold(rule.value, rule, note="There are no holdout rows to tell what it is worth.", at=at)
        )
    why = _no_curve(run, answers)
    if why:
        return _none(rule, why, at)
    spell = speller(snapshot.schema.classes)
    classes = tuple(map(spell, answers.classes or ()))
    if set(classes) != set(snapshot.schema.classes):
        return _none(rule, f"the deployment answers the classes {list(classes)}", at)
    positive = spell(rule.positive) if rule and rule.positive is not None else rarer(snapshot, classes)
    rows = [
        (half, spell(label) == positive, shares[1])
        for half, label, shares in zip(halves, truth, answers.probabilities or (), strict=True)
    ]
    second = positive == classes[1]
    choosing, reporting = (
        Graded([(hit, share) for half, hit, share in rows if half is first], second=second)
        for first in (True, False)
    )
    exact = [] if rule is None else _exact(rule, choosing)
    cuts = choosing.cuts()
    if len(cuts) > MOST_POINTS // 2:
        cuts = [*_optima(choosing), *(exact if rule and rule.value is None else [])]
    kept = points(choosing, reporting, [0.0, PLAIN, *cuts, *exact])
    curve = Curve(run.run_id, classes, positive, tuple(kept), tuple(cuts))
    threshold = _chosen(rule, curve, choosing, reporting)
    return Choice(replace(threshold, classes=classes, positive=positive, at=at), curve)


def _none(rule: ThresholdRule | None, why: str, at: float) -> Choice:
    """Without a rule there is nothing to tell."""
    return Choice(Threshold(None, rule, note=_in_its_place(why), at=at) if rule else None)


def _in_its_place(why: str) -> str:
    return f"No threshold: {why}. The more probable class is answered."


def _silent(run: Run) -> bool:
    """Whether the deployment answers labels alone."""
    return (run.placement or Placement("")).mode != "script"


def _no_curve(run: Run, answers: Answers) -> str | None:
    if _silent(run):
        return "the deployment answers labels alone (DEPLOYMENT_MODE=no_code)"
    if not answers.result:
        return "there are no holdout rows to choose it on"
    if answers.probabilities is None or answers.classes is None or len(answers.classes) != 2:
        return "the deployment answers no probabilities of two classes"
    return None


def rarer(snapshot: Snapshot, classes: Sequence[str]) -> str:
    """The class with fewer rows in the file; the second one where both have as many."""
    rows = {c: sum(part.get(c, 0) for part in snapshot.class_counts.values()) for c in classes}
    return classes[0] if rows[classes[0]] < rows[classes[1]] else classes[1]


def _optima(graded: Graded) -> list[float]:
    """The best thresholds by each metric, so that the curve has them exactly."""
    counted = [(cut, graded.counts(cut)) for cut in graded.cuts()]
    return [best(counted, one(metric)) for metric in METRICS.values()]


def _exact(rule: ThresholdRule, choosing: Graded) -> list[float]:
    """The threshold that the curve must have exactly: one that was named, or that keeps a bound over all the rows."""
    if rule.value is None and rule.min_precision is None and rule.min_recall is None:
        return []
    found = chosen(rule, [(cut, choosing.counts(cut)) for cut in choosing.cuts()])
    return [] if found.threshold is None else [found.threshold]


def _chosen(rule: ThresholdRule | None, curve: Curve, choosing: Graded, reporting: Graded) -> Threshold:
    """By the points that are kept, so that the same rule chooses the same later."""
    cost = rule.cost if rule else None
    if rule is None or rule.value is not None:  # nothing is chosen: all rows tell what it is worth
        plain = choosing.counts(PLAIN) + reporting.counts(PLAIN)
        if rule is None or rule.value is None:
            return Threshold(plain=tradeoff(plain))
        whole = choosing.counts(rule.value) + reporting.counts(rule.value)
        return Threshold(rule.value, rule, reported_on=tradeoff(whole), plain=tradeoff(plain))
    found = chosen(rule, curve.choices())
    plain = reporting.counts(PLAIN)
    if found.threshold is None:
        return Threshold(None, rule, plain=tradeoff(plain, cost), note=_in_its_place(found.why))
    before, after = choosing.counts(found.threshold), reporting.counts(found.threshold)
    return Threshold(
        found.threshold,
        rule,
        chosen_on=tradeoff(before, cost),
        reported_on=tradeoff(after, cost),
        plain=tradeoff(plain, cost),
        note=remark(rule, before, after),
    )


def remark(rule: ThresholdRule, chosen_on: Counts, reported_on: Counts) -> str:
    """What speaks against trusting a choice: few rows, or a bound that the rows it was not chosen on fall short of."""
    few = min(part for of in (chosen_on, reported_on) for part in (of.tp + of.fn, of.fp + of.tn))
    said = []
    if few < MIN_CLASS_ROWS:
        said.append(f"Little evidence: {few} rows of a class in one half of the holdout.")
    for share, least in (("precision", rule.min_precision), ("recall", rule.min_recall)):
        reached = getattr(reported_on, share)
        if least is not None and reached is not None and reached < least:
            said.append(
                f"The rows that it was not chosen on reach a {share} of {reached:.4f}, less than the {least:g} asked for."
            )
    return " ".join(said)


def by_threshold(run: Run, answers: Answers) -> Answers:
    """The answers with labels by the run's own threshold in force, whatever its deployment was put with."""
    value = run.threshold.value if run.threshold else None
    classes = answers.classes
    if value is None or answers.probabilities is None or classes is None or len(classes) != 2:
        return answers
    return replace(answers, result=[classes[shares[1] >= value] for shares in answers.probabilities])


def labelled(seen: Seen, run: Run, champion: Run | None) -> Seen:
    """What was seen with the labels of each model's own threshold; rows that one was chosen on don't judge them."""
    chose = [of.threshold for of in (run, champion) if of and of.threshold and of.threshold.chosen_on]
    return replace(
        seen,
        challenger=by_threshold(run, seen.challenger),
        champion=by_threshold(champion, seen.champion) if champion and seen.champion else seen.champion,
        flattered=bool(chose),
    )


def comparable(run: Run, champion: Run, of_champion: Tally) -> Tally:
    """What the champion's callers met, without its labels where the two answer by other rules: they differ by right then."""
    rules = [(of.threshold or Threshold()).rule for of in (run, champion)]
    return of_champion if rules[0] == rules[1] else replace(of_champion, labels={})


# -- and its deployment -------------------------------------------------------------------------------------------


def lacking(run: Run, ctx: Context) -> Run | None:
    """The run after the next thing that its deployment lacks to answer by the run's threshold; the run itself while the
    deployment changes; None once it answers so.

    Raises DropMLError where the deployment can't be changed.
    """
    threshold = run.threshold
    if threshold is None or threshold.deployment == "follows":
        return None
    endpoint, name = placement_of(run)
    found = ctx.azureml.deployment(endpoint, name)
    if found is None:
        raise Gone(f"There is no deployment {name} at {endpoint}.", code="deployment-failed")
    if found.state not in SETTLED:
        return run  # a change is under way: this one, or another
    if threshold.deployment == "lacks":
        where = replace(run.placement or Placement(endpoint), threshold=threshold.value)
        placed = replace(run, placement=where, threshold=replace(threshold, deployment="updating"))
        ctx.azureml.begin_deployment(deployment_spec(placed))
        return placed
    if found.state == "Succeeded":
        return replace(run, threshold=replace(threshold, deployment="follows"))
    raise DropMLError(
        f"The deployment {name} came out as {found.state} when it was given its threshold.",
        remedy="Read the deployment's log in the studio and check quota; POST /api/runs/{id}/retry deploys anew.",
        code="threshold-not-deployed",
    )
