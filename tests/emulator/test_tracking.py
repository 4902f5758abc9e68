"""MLflow on the emulator: what it searches, deletes and keeps, and that its runs leave the lists of jobs alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.automl_venvs import VenvError
from dropml.azureml.core.store import Store
from tests.conformance import clients
from tests.support.emulator_sdk import client
from tests.support.emulator_support import API, WS, Emulator, emulator, no_schema_download, sdk_environment


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


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_metric_without_a_json_notation_is_told_in_protobufs_words_and_breaks_no_list(
    running: Emulator, word: str
) -> None:
    made = str(post(running, "experiments/create", {"name": f"endless {word}"})["experiment_id"])
    run = post(running, "runs/create", {"experiment_id": made})["run"]["info"]["run_id"]
    post(running, "runs/log-metric", {"run_id": run, "key": "loss", "value": word, "timestamp": 5})
    shown = {"key": "loss", "value": word, "timestamp": 5, "step": 0}
    assert running.mlflow("runs/get", run_id=run)["run"]["data"]["metrics"] == [shown]
    assert running.mlflow("metrics/get-history", run_id=run, metric_key="loss")["metrics"] == [shown]
    found = post(running, "runs/search", {"experiment_ids": [made], "order_by": ["metrics.loss"]})["runs"]
    assert found[0]["data"]["metrics"] == [shown]
    assert running.arm("GET", "/jobs").status_code == 200
    post(running, "runs/log-metric", {"run_id": run, "key": "loss", "value": "high"}, 400)


def test_nan_sorts_between_numbers_and_nothing(running: Emulator) -> None:
    made = str(post(running, "experiments/create", {"name": "sorted"})["experiment_id"])
    for name, value in (("none", None), ("nan", "NaN"), ("high", 2), ("low", 1)):
        run = post(running, "runs/create", {"experiment_id": made, "run_name": name})["run"]["info"]["run_id"]
        if value is not None:
            post(running, "runs/log-metric", {"run_id": run, "key": "auc", "value": value})
    assert names(running, made, order_by=["metrics.auc DESC"]) == ["high", "low", "nan", "none"]
    assert names(running, made, order_by=["metrics.auc ASC"]) == ["low", "high", "nan", "none"]


def test_a_run_shows_a_metrics_value_of_the_largest_step(running: Emulator, experiment: str) -> None:
    run = post(running, "runs/create", {"experiment_id": experiment, "run_name": "steps"})["run"]["info"]
    for step, moment, value in ((5, 10, 0.5), (3, 20, 0.3), (5, 9, 0.9)):
        asked = {"run_id": run["run_id"], "key": "loss", "value": value, "timestamp": moment, "step": step}
        post(running, "runs/log-metric", asked)
    found = running.mlflow("runs/get", run_id=run["run_id"])["run"]["data"]["metrics"]
    assert [(m["step"], m["value"]) for m in found] == [(5, 0.5)]
    assert "steps" in names(running, experiment, filter="metrics.loss = 0.5")
    post(running, "runs/delete", {"run_id": run["run_id"]})


@pytest.mark.parametrize("bare", ["NaN", "-Infinity", "1e999"])
def test_a_body_with_a_number_that_json_lacks_is_refused(running: Emulator, bare: str) -> None:
    raw = f'{{"properties": {{"dataType": "uri_file", "dataUri": "https://x/y", "tags": {{"a": {bare}}}}}}}'
    answer = running.session.put(
        f"{running.url}{WS}/data/odd/versions/1", data=raw, params={"api-version": API}, timeout=10
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_a_state_that_holds_a_bare_nan_already_comes_up_mended(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = Store(path)
    store.put("run", "r", {"type": "Tracked", "metrics": {"loss": [["NaN", 1.0, 0]]}})
    store.execute("UPDATE documents SET body=replace(body, '\"NaN\"', 'NaN')")
    store.execute("PRAGMA user_version=0")
    store.close()
    store = Store(path)
    assert store.find("run", except_type="Job")[0][2]["metrics"] == {"loss": [["NaN", 1.0, 0]]}
    store.close()


def test_a_deleted_run_leaves_the_active_view_and_is_restored(running: Emulator, experiment: str) -> None:
    asked = {"experiment_id": experiment, "run_name": "gone"}
    run = post(running, "runs/create", asked)["run"]["info"]["run_id"]
    post(running, "runs/delete", {"run_id": run})
    assert "gone" not in names(running, experiment)
    assert names(running, experiment, run_view_type="DELETED_ONLY", filter="run_name = 'gone'") == ["gone"]
    post(running, "runs/restore", {"run_id": run})
    assert "gone" in names(running, experiment)
    post(running, "runs/delete", {"run_id": run})


@pytest.fixture(scope="module")
def experiments(running: Emulator) -> list[str]:
    """The ids of three experiments, the first of which has a tag since it was made and the third got one later."""
    tags = [{"key": "kind", "value": "steps"}]
    found = [
        str(
            post(running, "experiments/create", {"name": f"searched-{n}", "tags": tags if n == 1 else []})[
                "experiment_id"
            ]
        )
        for n in (1, 2, 3)
    ]
    post(
        running,
        "experiments/set-experiment-tag",
        {"experiment_id": found[2], "key": "kind", "value": "walks"},
    )
    return found


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"filter": "name = 'searched-2'"}, [2]),
        ({"filter": "name LIKE 'searched-%'"}, [3, 2, 1]),
        ({"filter": "name LIKE 'searched-%'", "order_by": ["creation_time ASC"]}, [1, 2, 3]),
        ({"filter": "name ILIKE 'SEARCHED-%'", "order_by": ["name"]}, [1, 2, 3]),
        ({"filter": "attribute.creation_time > 0 AND tags.kind = 'steps'"}, [1]),
        ({"filter": "tags.kind LIKE '%s'", "view_type": "ALL"}, [3, 1]),
        ({"filter": "name = 'searched-2'", "view_type": "DELETED_ONLY"}, []),
    ],
)
@pytest.mark.parametrize("most", [1, 2, 1000])
def test_a_search_of_experiments_holds_what_it_asks_for_page_by_page(
    running: Emulator, experiments: list[str], asked: dict[str, Any], expected: list[int], most: int
) -> None:
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = post(running, "experiments/search", {**asked, **token, "max_results": most})
        assert len(answer["experiments"]) <= most
        found += [each["experiment_id"] for each in answer["experiments"]]
        if "next_page_token" not in answer:
            break
        token = {"page_token": answer["next_page_token"]}
    assert found == [experiments[n - 1] for n in expected]


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter": "metrics.auc > 1"},
        {"filter": "status = 'FINISHED'"},
        {"order_by": ["start_time"]},
        {"max_results": 0},
        {"page_token": "x"},
    ],
)
def test_a_search_of_experiments_that_can_not_be_read_is_refused(
    running: Emulator, wrong: dict[str, Any]
) -> None:
    assert post(running, "experiments/search", wrong, 400)["error_code"] == "INVALID_PARAMETER_VALUE"


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
