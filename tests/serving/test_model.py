"""A model that the AutoML engine trained, served: quick, exact, small."""

import csv
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from scorer import load
from tests.support.serving_support import PRIMARY, ROOT, deployment, running, settings

COLUMNS = ["age", "job", "rate", "member"]
MLTABLE = """type: mltable
paths:
  - file: ./data.csv
transformations:
  - read_delimited: {delimiter: ",", encoding: utf8, header: all_files_same_headers}
"""


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of a small job."""
    job = tmp_path_factory.mktemp("job")
    rng = random.Random(3)
    (job / "data").mkdir()
    (job / "data" / "MLTable").write_text(MLTABLE)
    with (job / "data" / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "y"])
        for _ in range(400):
            age, work = rng.randint(18, 80), rng.choice(["admin.", "services", "retired"])
            rate = "" if rng.random() < 0.1 else round(rng.gauss(0, 1), 3)
            bought = age + 20 * (work == "retired") + rng.gauss(0, 8) > 60
            writer.writerow([age, work, rate, rng.choice(["true", "false"]), "yes" if bought else "no"])
    limits = {"timeout_s": 40, "trial_timeout_s": 40, "max_trials": 1, "max_concurrent_trials": 1}
    spec = {
        "job": "serving_test",
        "task": "Classification",
        "target": "y",
        "weight_column": None,
        "training_data": str(job / "data"),
        "validation_data": None,
        "validation_size": 0.2,
        "n_cross_validations": None,
        "primary_metric": "AUCWeighted",
        "limits": {**limits, "enable_early_termination": True, "exit_score": None},
        "training": {
            "allowedTrainingAlgorithms": ["LightGBM"],
            "enableVoteEnsemble": False,
            "enableStackEnsemble": False,
        },
        "featurization": None,
        "properties": {"_emulator.seed": "7"},
        "cpus": 1,
        "memory_mb": 4096,
    }
    (job / "spec.json").write_text(json.dumps(spec))
    subprocess.run(
        [sys.executable, "-m", "dropml.azureml.automl", "--job", str(job)], cwd=ROOT, check=True, timeout=100
    )
    events = [json.loads(line) for line in (job / "events.jsonl").read_text().splitlines()]
    best: str = next(event["best"] for event in events if event["type"] == "completed")
    return job / "trials" / best.rpartition("_")[2] / "outputs" / "mlflow-model"


ROWS: list[list[Any]] = [
    [30, "admin.", 0.25, True],
    [75, "retired", None, False],
    [75, "never seen", 1, None],
    [41, None, -2.5, True],
]


def body(rows: list[list[Any]], columns: list[str] = COLUMNS) -> dict[str, Any]:
    return {"input_data": {"columns": columns, "index": list(range(len(rows))), "data": rows}}


def test_the_compiled_form_serves_what_the_reference_says_without_pandas(
    tmp_path: Path, model_dir: Path
) -> None:
    document = settings({"m1": deployment(model_dir, tmp_path / "m1.log")}, {"m1": 100})
    with running(tmp_path, document, tiny=False) as endpoint:
        state = endpoint.settled()["m1"]
        assert (state["status"], state["form"], state["error"]) == ("ready", "compiled", None)
        assert state["parity"] <= 1e-6
        expected = load(model_dir, "reference").predict(COLUMNS, ROWS)
        assert endpoint.score(body(ROWS)).json() == expected
        assert [endpoint.score(body([row])).json()[0] for row in ROWS] == expected
        assert endpoint.score(body(ROWS * 500)).json() == expected * 500
        assert endpoint.process is not None
        process = psutil.Process(endpoint.process.pid)
        assert process.memory_info().rss < 250e6
        files = " ".join(mapped.path for mapped in process.memory_maps())
        assert "numpy" in files
        assert "pandas" not in files
        assert "sklearn" not in files


def test_mlflows_sentences_are_in_the_log(tmp_path: Path, model_dir: Path) -> None:
    document = settings({"m1": deployment(model_dir, tmp_path / "m1.log")}, {"m1": 100})
    with running(tmp_path, document, tiny=False) as endpoint:
        for wrong in (body([[1, "x", 0.1]], COLUMNS[:3]), body([["thirty", "admin.", 0.25, True]])):
            answer = endpoint.score(wrong)
            assert answer.status_code == 424
            assert answer.headers["ms-azureml-model-error-statuscode"] == "500"
        endpoint.admin("GET", "status")
        assert "Model is missing inputs ['member']." in endpoint.log
        assert (
            "Incompatible input types for column age. Can not safely convert object to int64." in endpoint.log
        )
        assert "thirty" not in endpoint.log
        headers = {"Authorization": f"Bearer {PRIMARY}"}
        for version in ("2", "3"):
            swagger = requests.get(
                f"{endpoint.url}/swagger.json", params={"version": version}, headers=headers, timeout=5
            ).json()
            schemas = swagger.get("definitions") or swagger["components"]["schemas"]
            columns = schemas["ServiceInput"]["properties"]["input_data"]["x-columns"]
            assert [column["name"] for column in columns] == COLUMNS
            example = schemas["ServiceInput"]["example"]
            assert endpoint.score(example).json() == schemas["ServiceOutput"]["example"]


@pytest.mark.parametrize("damage", ["another length", "other numbers"])
def test_a_damaged_compiled_form_is_found_and_the_reference_serves(
    tmp_path: Path, model_dir: Path, damage: str
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(model_dir, damaged)
    trees = next((damaged / "dropml").glob("trees*"))
    if damage == "another length":  # LightGBM's library ends the process that reads this
        trees.write_text(trees.read_text().replace("leaf_value=", "leaf_value=0.25 "))
    else:
        trees.write_text(re.sub(r"leaf_value=(-?)0\.", r"leaf_value=\g<1>1.", trees.read_text()))
    document = settings({"m1": deployment(damaged, tmp_path / "m1.log")}, {"m1": 100})
    with running(tmp_path, document, tiny=False) as endpoint:
        state = endpoint.settled()["m1"]
        assert (state["status"], state["form"]) == ("ready", "reference"), state
        assert (state["parity"] or 1) > 1e-6
        assert "the reference form serves" in state["note"]
        assert endpoint.score(body(ROWS)).json() == load(model_dir, "reference").predict(COLUMNS, ROWS)
        assert endpoint.process is not None
        assert psutil.Process(endpoint.process.pid).memory_info().rss < 250e6
