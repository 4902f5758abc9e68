"""Turns a fitted pipeline into the compiled form: plain JSON and LightGBM text, read by scorer.

Raises NotCompilableError for what has no such form (nearest neighbours, kernel machines); it is then served as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from dropml.azureml.automl.data.table import Table
from dropml.azureml.automl.fit.models import LightGBMModel, Model, PlattModel, SklearnModel, XGBoostModel
from dropml.azureml.automl.model import flat
from dropml.azureml.automl.model.pipeline import AutoMLPipeline, StackEnsemble, VotingEnsemble


class NotCompilableError(Exception):
    """This model has no compiled form; the message says which part."""


def compile_pipeline(pipeline: AutoMLPipeline, folder: Path, rows: Table) -> None:
    """Write `pipeline.json` and the trees' files into `folder`.

    `rows`: of the training data, of which linear members keep the means that their explanations start from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = pipeline.model
    x = pipeline.encoder.transform(rows)
    members: list[Model] = model.members if isinstance(model, VotingEnsemble | StackEnsemble) else [model]
    document: dict[str, Any] = {
        "version": 1,
        "types": pipeline.types,
        "labels": pipeline.labels,
        "threshold": pipeline.threshold,
        "outputs": len(pipeline.labels) if pipeline.labels else 1,
        "features": pipeline.encoder.steps,
        "n_features": len(pipeline.encoder.feature_names),
        "members": [
            _with_means(_member(m, i, document_features(pipeline), folder), x) for i, m in enumerate(members)
        ],
        "combine": _combination(model),
    }
    (folder / "pipeline.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def document_features(pipeline: AutoMLPipeline) -> int:
    return len(pipeline.encoder.feature_names)


def _with_means(spec: dict[str, Any], x: np.ndarray) -> dict[str, Any]:
    """With the mean of every feature as the member prepares it, where it is no ensemble of trees."""
    if spec["kind"] == "trees":
        return spec
    prepared = (np.where(np.isnan(x), spec["fill"], x) - np.array(spec["center"])) / np.array(spec["scale"])
    if spec.get("binarize"):
        prepared = (prepared > 0).astype("float64")
    return {**spec, "means": prepared.mean(axis=0).tolist()}


def _combination(model: Model) -> dict[str, Any]:
    if isinstance(model, VotingEnsemble):
        return {"kind": "mean", "weights": list(model.weights)}
    if isinstance(model, StackEnsemble):
        return {"kind": "stack", "coef": model.coef.tolist(), "intercept": model.intercept.tolist()}
    return {"kind": "mean", "weights": [1.0]}


def _member(model: Model, number: int, n_features: int, folder: Path) -> dict[str, Any]:
    if isinstance(model, LightGBMModel):
        links = {0: "identity", 2: "sigmoid"}
        outputs = model.n_classes if model.n_classes > 2 else 1
        text = _without_objective(model.text)
        return _trees(folder, number, text, outputs, links.get(model.n_classes, "softmax"))
    if isinstance(model, XGBoostModel):
        trees, base = flat.xgboost_trees(model.booster), model.base
        if not model.n_classes:
            shift, width = model.target
            base = shift + width * base
            for tree in trees:
                tree.values = tree.values * width
        links = {0: "identity", 2: "sigmoid"}
        text = flat.model_text(trees, len(base), n_features)
        return _trees(folder, number, text, len(base), links.get(model.n_classes, "softmax"), base.tolist())
    if isinstance(model, PlattModel):
        return _platt(model)
    if isinstance(model, SklearnModel):
        return _sklearn(model, number, n_features, folder)
    raise NotCompilableError(type(model).__name__)


def _without_objective(text: str) -> str:
    """The scorer applies the link itself: LightGBM shall give raw sums."""
    lines = text.split("\n")
    return "\n".join("objective=regression" if line.startswith("objective=") else line for line in lines)


def _trees(
    folder: Path,
    number: int,
    text: str,
    outputs: int,
    link: str,
    base: list[float] | None = None,
    **more: Any,
) -> dict[str, Any]:
    name = f"trees{number}.txt"
    (folder / name).write_text(text, encoding="utf-8")
    return {"kind": "trees", "file": name, "outputs": outputs, "link": link, "base": base, **more}


def _sklearn(model: SklearnModel, number: int, n_features: int, folder: Path) -> dict[str, Any]:
    estimator = model.estimator
    kind = type(estimator).__name__
    fill = None if model.fill is None else model.fill.tolist()
    if kind.startswith(("RandomForest", "ExtraTrees")):
        forest = estimator.estimators_
    elif kind.startswith("DecisionTree"):
        forest = [estimator]
    elif kind.startswith("GradientBoosting"):
        return _gradient_boosting(model, number, n_features, folder)
    else:
        return _linear(model, kind)
    present = getattr(estimator, "classes_", None)
    trees, outputs = [], _n_outputs(model)
    for tree in forest:
        values = tree.tree_.value[:, 0, :]
        if present is None:
            trees.append(flat.sklearn_tree(tree.tree_, values[:, 0] / len(forest)))
            continue
        shares = np.zeros((len(values), model.n_classes))
        shares[:, np.asarray(present, dtype=int)] = values / values.sum(axis=1, keepdims=True)
        columns = [1] if outputs == 1 else range(outputs)
        trees += [flat.sklearn_tree(tree.tree_, shares[:, j] / len(forest)) for j in columns]
    link = "identity" if present is None or outputs > 1 else "probability"
    return _trees(folder, number, flat.model_text(trees, outputs, n_features), outputs, link, fill=fill)


def _n_outputs(model: SklearnModel) -> int:
    return model.n_classes if model.n_classes > 2 else 1


def _gradient_boosting(model: SklearnModel, number: int, n_features: int, folder: Path) -> dict[str, Any]:
    estimator = model.estimator
    outputs = estimator.estimators_.shape[1]
    if model.n_classes and len(estimator.classes_) != model.n_classes:
        raise NotCompilableError("GradientBoosting that has not seen every class")
    trees = [
        flat.sklearn_tree(t.tree_, estimator.learning_rate * t.tree_.value[:, 0, 0])
        for t in estimator.estimators_.ravel()
    ]
    # What the initial estimator adds is the same for every row: read it off one.
    row = np.zeros((1, n_features), dtype="float32")
    raw = estimator.decision_function(row) if model.n_classes else estimator.predict(row)
    grown = np.array(
        [[estimator.learning_rate * t.predict(row)[0] for t in stage] for stage in estimator.estimators_]
    ).sum(axis=0)
    base = np.atleast_1d(np.ravel(raw)) - grown
    links = {0: "identity", 2: "sigmoid"}
    text = flat.model_text(trees, outputs, n_features)
    return _trees(
        folder,
        number,
        text,
        outputs,
        links.get(model.n_classes, "softmax"),
        base.tolist(),
        fill=_listed(model.fill, 0.0, n_features),
    )


def _affine(model: SklearnModel, coef: np.ndarray, intercept: np.ndarray, link: str) -> dict[str, Any]:
    """`link(coef @ ((filled x - center) / scale) + intercept)`."""
    n = coef.shape[1]
    return {
        "kind": "linear",
        **_preparation(model, n),
        "coef": coef.tolist(),
        "intercept": np.atleast_1d(intercept).tolist(),
        "link": link,
    }


def _preparation(model: SklearnModel, n: int) -> dict[str, list[float]]:
    return {
        "fill": _listed(model.fill, 0.0, n),
        "center": _listed(model.center, 0.0, n),
        "scale": _listed(model.scale, 1.0, n),
    }


def _listed(values: np.ndarray | None, default: float, n: int) -> list[float]:
    return [default] * n if values is None else [float(v) for v in values]


def _linear(model: SklearnModel, kind: str) -> dict[str, Any]:
    estimator = model.estimator
    if not model.n_classes and hasattr(estimator, "coef_"):
        shift, width = model.target
        coef = np.reshape(estimator.coef_, (1, -1)) * width
        return _affine(model, coef, shift + width * np.ravel(estimator.intercept_), "identity")
    if model.n_classes and len(getattr(estimator, "classes_", [])) != model.n_classes:
        raise NotCompilableError(f"{kind} that has not seen every class")
    if kind in ("LogisticRegression", "SGDClassifier"):
        link = (
            "sigmoid"
            if model.n_classes == 2
            else "softmax"
            if kind == "LogisticRegression"
            else "one_vs_rest"
        )
        return _affine(model, estimator.coef_, estimator.intercept_, link)
    if kind == "MultinomialNB":
        return _affine(model, estimator.feature_log_prob_, estimator.class_log_prior_, "softmax")
    if kind == "BernoulliNB":
        absent = np.log1p(-np.exp(estimator.feature_log_prob_))
        part = _affine(
            model,
            estimator.feature_log_prob_ - absent,
            estimator.class_log_prior_ + absent.sum(axis=1),
            "softmax",
        )
        return {**part, "binarize": True}
    raise NotCompilableError(kind)


def _platt(model: PlattModel) -> dict[str, Any]:
    """A linear machine and its calibrator are one affine map; a kernel machine is that on its kernels."""
    inner, outer = model.estimator, model.calibrator
    if len(outer.classes_) != model.n_classes:
        raise NotCompilableError(f"{type(inner).__name__} that has not seen every class")
    link = "sigmoid" if model.n_classes == 2 else "softmax"
    if hasattr(inner, "coef_"):
        coef = outer.coef_ @ inner.coef_
        return _affine(model, coef, outer.coef_ @ np.ravel(inner.intercept_) + outer.intercept_, link)
    weights = _pair_weights(inner)
    return {
        "kind": "kernel",
        **_preparation(model, inner.support_vectors_.shape[1]),
        "vectors": inner.support_vectors_.tolist(),
        "gamma": float(inner._gamma),  # noqa: SLF001 - "scale" resolved to a number is kept nowhere else
        "coef": (outer.coef_ @ weights.T).tolist(),
        "intercept": (outer.coef_ @ np.ravel(inner.intercept_) + outer.intercept_).tolist(),
        "link": link,
    }


def _pair_weights(machine: Any) -> np.ndarray:
    """Weight of each support vector in each of the one-against-one decisions: (vectors, pairs).

    libsvm keeps them in `dual_coef_`, row j - 1 of class i's vectors for the pair (i, j) (scikit-learn's user guide,
    "Support Vector Machines", mathematical formulation).
    """
    ends = np.cumsum(machine.n_support_)
    starts = ends - machine.n_support_
    k = len(machine.classes_)
    if k == 2:
        return np.asarray(machine.dual_coef_).T
    pairs = []
    for i in range(k):
        for j in range(i + 1, k):
            column = np.zeros(len(machine.support_vectors_))
            column[starts[i] : ends[i]] = machine.dual_coef_[j - 1, starts[i] : ends[i]]
            column[starts[j] : ends[j]] = machine.dual_coef_[i, starts[j] : ends[j]]
            pairs.append(column)
    return np.column_stack(pairs)
