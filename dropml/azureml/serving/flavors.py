"""Ordinary MLflow models, which the engine here has not made: loaded by MLflow, else by their flavor's own library."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Predict = Callable[[Any], Any]


class OrdinaryScorer:
    """As `scorer.Scorer`, of a model that answers whatever it likes. `said`: how it was loaded."""

    def __init__(self, model: Any, said: str) -> None:
        self._model, self.said = model, said
        self.columns: list[str] = list(model.columns or ())
        self.types: dict[str, str] = dict(model.signature.types) if model.signature else {}
        self.labels: list[Any] | None = model.labels

    def predict(self, columns: list[str], data: list[list[Any]]) -> Any:
        """In the shape that the service's script for such models gives it: a table is a record for each row."""
        from scorer.frames import plain

        found = self._model.predict(self._model.frame(columns, data))
        if hasattr(found, "to_frame"):
            found = found.to_frame()
        if hasattr(found, "to_dict"):
            found = found.to_dict(orient="records")
        return plain(found)


def is_ordinary(folder: Path) -> bool:
    """True for a model that the engine here has not made."""
    return not (folder / "dropml").is_dir() and bool(_flavors(folder))


def load(folder: Path) -> OrdinaryScorer:
    """Raises ModuleNotFoundError where a package that the model needs is not installed, and what loading raises."""
    from scorer.frames import FrameModel
    from scorer.loaders import declared, load_mlflow

    if importlib.util.find_spec("mlflow") is not None:
        return OrdinaryScorer(load_mlflow(folder), "The model is loaded by MLflow.")
    flavors = _flavors(folder)
    code = (flavors.get("python_function") or {}).get("code")
    if code:
        sys.path.insert(0, str(folder / code))
    for name, loader in _LOADERS.items():
        if name in flavors:
            predict, estimator = loader(folder, flavors[name])
            signature, optional = declared(folder)
            said = f"MLflow is not installed here: the model is loaded by its flavor {name}."
            return OrdinaryScorer(FrameModel(predict, estimator, signature, optional), said)
    raise ModuleNotFoundError(
        f"a model of the flavors {', '.join(flavors)} needs MLflow, which is not installed here"
    )


def _flavors(folder: Path) -> dict[str, Any]:
    import yaml

    return dict((yaml.safe_load((folder / "MLmodel").read_text("utf-8")) or {}).get("flavors") or {})


def _unpickled(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - of a registered model


def _sklearn(folder: Path, flavor: dict[str, Any]) -> tuple[Predict, Any]:
    """`predict_fn`: the method that MLflow was told to answer by, `pyfunc_predict_fn` of its `save_model`."""
    form = flavor.get("serialization_format") or "pickle"
    if form not in ("pickle", "cloudpickle"):
        raise ModuleNotFoundError(f"a model in the format {form} needs MLflow, which is not installed here")
    model = _unpickled(folder / flavor["pickled_model"])
    function = (_flavors(folder).get("python_function") or {}).get("predict_fn") or "predict"
    return getattr(model, function), model


def _lightgbm(folder: Path, flavor: dict[str, Any]) -> tuple[Predict, Any]:
    path = folder / flavor["data"]
    if path.suffix == ".pkl":
        model = _unpickled(path)
    else:
        import lightgbm

        model = lightgbm.Booster(model_file=str(path))
    return model.predict, model


def _xgboost(folder: Path, flavor: dict[str, Any]) -> tuple[Predict, Any]:
    import xgboost

    _, _, kind = (flavor.get("model_class") or "Booster").rpartition(".")
    model = getattr(xgboost, kind)()
    model.load_model(folder / flavor["data"])
    if kind == "Booster":
        return lambda frame: model.predict(xgboost.DMatrix(frame)), None
    return model.predict, model


def _own_module(folder: Path, flavor: dict[str, Any]) -> tuple[Predict, Any]:
    """A module that the model brings along, by the contract of MLflow's python_function."""
    name = flavor["loader_module"]
    if name.partition(".")[0] == "mlflow":
        raise ModuleNotFoundError(f"a model that {name} loads needs MLflow, which is not installed here")
    path = folder / flavor["data"] if flavor.get("data") else folder
    model = importlib.import_module(name)._load_pyfunc(str(path))  # noqa: SLF001 - MLflow's name for it
    return model.predict, model


#: By MLflow's names of them; the most special first.
_LOADERS = {"sklearn": _sklearn, "lightgbm": _lightgbm, "xgboost": _xgboost, "python_function": _own_module}
