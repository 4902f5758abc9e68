"""azureml-mlflow and MLflow, unmodified: a run tracked, searched, its artifacts and models logged, listed and fetched.

`python tracking.py TRACKING_URI FOLDER` in an environment with mlflow-skinny and azureml-mlflow; MODEL_RUN in the
environment names a trained run whose model is downloaded.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import flows
import mlflow
import mlflow.sklearn
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient
from sklearn.dummy import DummyClassifier

FOLDER = Path(sys.argv[2])
mlflow.set_tracking_uri(sys.argv[1])
CLIENT = MlflowClient()
RUN: dict[str, str] = {}


def log() -> None:
    """A run with everything that programs log."""
    (FOLDER / "note.txt").write_text("a note\n")
    (FOLDER / "tree" / "deep").mkdir(parents=True, exist_ok=True)
    (FOLDER / "tree" / "deep" / "leaf.txt").write_text("a leaf\n")
    mlflow.set_experiment("tracked")
    with mlflow.start_run(run_name="first") as run:
        RUN["first"], RUN["experiment"] = run.info.run_id, run.info.experiment_id
        mlflow.log_param("depth", 3)
        mlflow.log_metrics({"auc": 0.5}, step=0)
        mlflow.log_metric("auc", 0.75, step=1)
        mlflow.set_tags({"team": "blue and green", "gone": "soon"})
        mlflow.delete_tag("gone")
        mlflow.log_artifact(str(FOLDER / "note.txt"))
        mlflow.log_artifact(str(FOLDER / "note.txt"), artifact_path="below")
        mlflow.log_artifacts(str(FOLDER / "tree"), artifact_path="tree")
        mlflow.log_text("said", "said.txt")


def list_artifacts() -> None:
    names = sorted(f.path for f in CLIENT.list_artifacts(RUN["first"]))
    assert names == ["below", "note.txt", "said.txt", "tree"], names
    assert [f.path for f in CLIENT.list_artifacts(RUN["first"], "tree/deep")] == ["tree/deep/leaf.txt"]


def download() -> None:
    got = Path(CLIENT.download_artifacts(RUN["first"], "tree", str(FOLDER / "got")))
    assert (got / "deep" / "leaf.txt").read_text() == "a leaf\n"


def read() -> None:
    assert [m.value for m in CLIENT.get_metric_history(RUN["first"], "auc")] == [0.5, 0.75]
    found = CLIENT.get_run(RUN["first"])
    assert (found.info.status, found.data.params["depth"]) == ("FINISHED", "3")
    assert found.data.tags["team"] == "blue and green"
    assert "gone" not in found.data.tags


def _runs(**how: object) -> list[str]:
    return [r.info.run_id for r in CLIENT.search_runs([RUN["experiment"]], **how)]


def search() -> None:
    with mlflow.start_run(run_name="second") as run:
        mlflow.log_metric("auc", 0.9)
    RUN["second"] = second = run.info.run_id
    assert _runs(order_by=["metrics.auc ASC"]) == [RUN["first"], second]
    assert _runs(order_by=["metrics.auc DESC"]) == [second, RUN["first"]]
    assert _runs(filter_string="tags.team = 'blue and green' and metrics.auc < 0.8") == [RUN["first"]]
    assert _runs(filter_string="attributes.run_name LIKE 'sec%'") == [second]


def delete_and_restore() -> None:
    CLIENT.delete_run(RUN["second"])
    assert _runs() == [RUN["first"]]
    assert _runs(run_view_type=ViewType.DELETED_ONLY) == [RUN["second"]]
    CLIENT.restore_run(RUN["second"])
    assert len(mlflow.search_runs(experiment_names=["tracked"], output_format="list")) == 2


def nested_runs() -> None:
    with (
        mlflow.start_run(run_name="parent") as parent,
        mlflow.start_run(run_name="child", nested=True) as child,
    ):
        mlflow.log_metric("x", 1)
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    assert _runs(filter_string=query) == [child.info.run_id]


def log_model() -> None:
    model = DummyClassifier(strategy="constant", constant=1).fit([[0], [1]], [0, 1])
    with mlflow.start_run(run_name="model") as run:
        mlflow.sklearn.log_model(model, "model", input_example=[[0.5]], pip_requirements=["scikit-learn"])
    RUN["model"] = run.info.run_id


def load_model() -> None:
    assert mlflow.pyfunc.load_model(f"runs:/{RUN['model']}/model").predict([[3.0]]).tolist() == [1]


def failed_run() -> None:
    try:
        with mlflow.start_run(run_name="fails") as run:
            raise KeyError("no")
    except KeyError:
        assert CLIENT.get_run(run.info.run_id).info.status == "FAILED"


def a_trained_model() -> None:
    trained = os.environ["MODEL_RUN"]
    model = Path(CLIENT.download_artifacts(trained, "outputs/mlflow-model", str(FOLDER)))
    assert (model / "MLmodel").is_file()


if __name__ == "__main__":
    (FOLDER / "got").mkdir(parents=True, exist_ok=True)
    flows.run(
        log,
        list_artifacts,
        download,
        read,
        search,
        delete_and_restore,
        nested_runs,
        log_model,
        load_model,
        failed_run,
        a_trained_model,
    )
