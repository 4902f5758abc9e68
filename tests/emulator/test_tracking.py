"""MLflow on the emulator: what it searches, deletes and keeps, and that its runs leave the lists of jobs alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.automl_venvs import VenvError
from tests.conformance import clients
from tests.support.emulator_sdk import client
from tests.support.emulator_support import WS, Emulator, emulator, no_schema_download, sdk_environment


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator")) as found:
        yield found


def post(running: Emulator, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = running.call("POST", f"/mlflow/v2.0{WS}/api/2.0/mlflow/{path}", body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


@pytest.fixture(scope="module")
def experiment(running: Emulator) -> str:
    """Three runs: low, middle and high; the middle one has no metric, the high one's team holds an `and`."""
    found = str(post(running, "experiments/create", {"name": "tracked"})["experiment_id"])
    for name, auc, team in (("low", 0.5, "red"), ("middle", None, "Blue"), ("high", 0.9, "green and blue")):
        asked = {"experiment_id": found, "run_name": name, "tags": [{"key": "team", "value": team}]}
        run = post(running, "runs/create", asked)["run"]["info"]["run_id"]
        if auc is not None:
            post(running, "runs/log-metric", {"run_id": run, "key": "auc", "value": auc})
        post(running, "runs/log-parameter", {"run_id": run, "key": "long name", "value": name})
        post(running, "runs/update", {"run_id": run, "status": "FINISHED"})
    return found


def names(running: Emulator, experiment: str, **how: Any) -> list[str]:
    found = post(running, "runs/search", {"experiment_ids": [experiment], **how})
    return [run["info"]["run_name"] for run in found.get("runs", [])]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("metrics.auc > 0.6", ["high"]),
        ("tags.team = 'green and blue' AND metrics.auc >= 0.9", ["high"]),
        ("tags.team LIKE '%blue'", ["high"]),
        ("tags.team ILIKE '%blue'", ["high", "middle"]),
        ("tags.team NOT LIKE '%d'", ["high", "middle"]),
        ("params.`long name` != 'low'", ["high", "middle"]),
        ('params."long name" = "low"', ["low"]),
        ("attributes.run_name IN ('low', 'high')", ["high", "low"]),
        ("run_name NOT IN ('low', 'high')", ["middle"]),
        ("attributes.status = 'FINISHED' and attributes.start_time > 0", ["high", "middle", "low"]),
        ("metrics.auc IS NULL", ["middle"]),
        ("tags.nothing = 'x'", []),
    ],
)
def test_a_filter_means_what_mlflow_says(
    running: Emulator, experiment: str, condition: str, expected: list[str]
) -> None:
    assert names(running, experiment, filter=condition) == expected


@pytest.mark.parametrize(
    "condition",
    ["metrics.auc", "metrics.auc > 'x'", "weather.rain = '1'", "tags.team = red", "tags.a='b' or tags.a='c'"],
)
def test_a_filter_that_cannot_be_read_is_refused_with_its_place(running: Emulator, condition: str) -> None:
    assert post(running, "runs/search", {"filter": condition}, 400)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_runs_come_in_the_order_asked_for_those_without_a_value_last(
    running: Emulator, experiment: str
) -> None:
    assert names(running, experiment, order_by=["metrics.auc DESC"]) == ["high", "low", "middle"]
    assert names(running, experiment, order_by=["metrics.auc ASC"]) == ["low", "high", "middle"]
    assert names(running, experiment, order_by=["attributes.start_time ASC"]) == ["low", "middle", "high"]
    first = post(
        running,
        "runs/search",
        {"experiment_ids": [experiment], "order_by": ["metrics.auc"], "max_results": 2},
    )
    token = first["next_page_token"]
    assert names(running, experiment, order_by=["metrics.auc"], max_results=2, page_token=token) == ["middle"]


def test_a_deleted_run_leaves_the_active_view_and_is_restored(running: Emulator, experiment: str) -> None:
    asked = {"experiment_id": experiment, "run_name": "gone"}
    run = post(running, "runs/create", asked)["run"]["info"]["run_id"]
    post(running, "runs/delete", {"run_id": run})
    assert "gone" not in names(running, experiment)
    assert names(running, experiment, run_view_type="DELETED_ONLY", filter="run_name = 'gone'") == ["gone"]
    post(running, "runs/restore", {"run_id": run})
    assert "gone" in names(running, experiment)
    post(running, "runs/delete", {"run_id": run})


def test_a_tag_is_deleted_once(running: Emulator, experiment: str) -> None:
    run = post(running, "runs/create", {"experiment_id": experiment, "tags": [{"key": "t", "value": "v"}]})[
        "run"
    ]
    asked = {"run_id": run["info"]["run_id"], "key": "t"}
    post(running, "runs/delete-tag", asked)
    assert "t" not in {
        t["key"] for t in running.mlflow("runs/get", run_id=asked["run_id"])["run"]["data"]["tags"]
    }
    post(running, "runs/delete-tag", asked, 404)
    post(running, "runs/delete", asked)


def test_a_logged_model_is_made_finished_and_found_with_its_run(running: Emulator, experiment: str) -> None:
    run = post(running, "runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    asked = {"experiment_id": experiment, "name": "model", "source_run_id": run}
    model = post(running, "logged-models", asked | {"params": [{"key": "a", "value": "1"}]})["model"]
    identity = model["info"]["model_id"]
    assert model["info"]["status"] == "LOGGED_MODEL_PENDING"
    assert model["info"]["artifact_uri"].endswith(f"/runs/{run}/artifacts/model")
    path = f"/mlflow/v2.0{WS}/api/2.0/mlflow/logged-models/{identity}"
    running.call("PATCH", path, {"model_id": identity, "status": "LOGGED_MODEL_READY"})
    post(running, "runs/outputs", {"run_id": run, "models": [{"model_id": identity, "step": 0}]})
    found = running.call("GET", path).json()["model"]
    assert (found["info"]["status"], found["data"]["params"]) == (
        "LOGGED_MODEL_READY",
        [{"key": "a", "value": "1"}],
    )
    shown = running.mlflow("runs/get", run_id=run)["run"]
    assert shown["outputs"] == {"model_outputs": [{"model_id": identity, "step": 0}]}
    listed = post(running, "logged-models/search", {"experiment_ids": [experiment]})["models"]
    assert [m["info"]["model_id"] for m in listed] == [identity]
    post(running, "runs/delete", {"run_id": run})


@pytest.mark.filterwarnings("ignore")
def test_tracked_runs_are_no_jobs_and_break_no_list_of_them(running: Emulator, experiment: str) -> None:
    run = post(running, "runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    assert running.arm("GET", "/jobs").json()["value"] == []
    with sdk_environment(running), no_schema_download():
        ml = client()
        assert list(ml.jobs.list()) == []
        assert ml.jobs.get(run).name == run
    post(running, "runs/delete", {"run_id": run})


@pytest.mark.slow  # the clients are installed, each into an environment of its own, once
def test_programs_of_the_unmodified_clients_pass(azurite: str) -> None:
    try:
        found = clients.run_all(azurite)
    except VenvError as error:
        pytest.skip(str(error))
    assert [(p.name, p.packages, p.failed) for p in found if p.failed] == []
