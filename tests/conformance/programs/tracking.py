"""azureml-mlflow and MLflow, unmodified: a run tracked, searched, its artifacts logged, listed and downloaded.

`python tracking.py TRACKING_URI FOLDER` in an environment with mlflow-skinny and azureml-mlflow; MODEL_RUN in the
environment names a trained run whose model is downloaded.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mlflow
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient


def track(folder: Path) -> str:
    """A run with everything that programs log; its id."""
    (folder / "note.txt").write_text("a note\n")
    (folder / "tree" / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "tree" / "deep" / "leaf.txt").write_text("a leaf\n")
    mlflow.set_experiment("tracked")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_param("depth", 3)
        mlflow.log_metrics({"auc": 0.5}, step=0)
        mlflow.log_metric("auc", 0.75, step=1)
        mlflow.set_tags({"team": "blue and green", "gone": "soon"})
        mlflow.delete_tag("gone")
        mlflow.log_artifact(str(folder / "note.txt"))
        mlflow.log_artifact(str(folder / "note.txt"), artifact_path="below")
        mlflow.log_artifacts(str(folder / "tree"), artifact_path="tree")
        mlflow.log_text("said", "said.txt")
    return str(run.info.run_id)


def read(client: MlflowClient, run: str, folder: Path) -> None:
    names = sorted(f.path for f in client.list_artifacts(run))
    assert names == ["below", "note.txt", "said.txt", "tree"], names
    assert [f.path for f in client.list_artifacts(run, "tree/deep")] == ["tree/deep/leaf.txt"]
    got = Path(client.download_artifacts(run, "tree", str(folder)))
    assert (got / "deep" / "leaf.txt").read_text() == "a leaf\n"
    assert [m.value for m in client.get_metric_history(run, "auc")] == [0.5, 0.75]
    found = client.get_run(run)
    assert (found.info.status, found.data.params["depth"]) == ("FINISHED", "3")
    assert found.data.tags["team"] == "blue and green"
    assert "gone" not in found.data.tags


def search(client: MlflowClient, first: str) -> None:
    with mlflow.start_run(run_name="second") as run:
        mlflow.log_metric("auc", 0.9)
    second, experiment = run.info.run_id, run.info.experiment_id

    def runs(**how: object) -> list[str]:
        return [r.info.run_id for r in client.search_runs([experiment], **how)]

    assert runs(order_by=["metrics.auc ASC"]) == [first, second]
    assert runs(order_by=["metrics.auc DESC"]) == [second, first]
    assert runs(filter_string="tags.team = 'blue and green' and metrics.auc < 0.8") == [first]
    assert runs(filter_string="attributes.run_name LIKE 'sec%'") == [second]
    client.delete_run(second)
    assert runs() == [first]
    assert runs(run_view_type=ViewType.DELETED_ONLY) == [second]
    client.restore_run(second)
    assert len(mlflow.search_runs(experiment_names=["tracked"], output_format="list")) == 2


def main() -> None:
    mlflow.set_tracking_uri(sys.argv[1])
    client, folder = MlflowClient(), Path(sys.argv[2])
    run = track(folder)
    read(client, run, folder / "got")
    search(client, run)
    if trained := os.environ.get("MODEL_RUN"):
        model = Path(client.download_artifacts(trained, "outputs/mlflow-model", str(folder)))
        assert (model / "MLmodel").is_file()
    print("passed")


if __name__ == "__main__":
    (Path(sys.argv[2]) / "got").mkdir(parents=True, exist_ok=True)
    main()
