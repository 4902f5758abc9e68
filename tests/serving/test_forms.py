"""The compiled form serves where it agrees with the reference form; else that one does, in a child."""

import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.support.serving_support import (
    PRIMARY,
    one_model,
    payload,
    running,
    tiny_model,
)


def loads(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "models" / "loads.txt").read_text().splitlines()]


def test_parity_is_checked_once_in_another_process_and_kept(tmp_path: Path) -> None:
    with one_model(tmp_path) as endpoint:
        assert endpoint.settled()["m1"] == {
            "status": "ready",
            "error": None,
            "note": None,
            "form": "compiled",
            "parity": 1e-9,
        }
        assert endpoint.process is not None
        assert psutil.Process(endpoint.process.pid).children() == []
        compiled, parity = sorted(loads(tmp_path))
        assert (compiled[1], parity[1]) == ("compiled", "parity")
        assert compiled[2] == str(endpoint.process.pid) != parity[2]
    with running(tmp_path, endpoint.settings):
        assert [note[1] for note in loads(tmp_path)].count("parity") == 1
    tiny_model(tmp_path / "models", "young", suffix="changed")
    with running(tmp_path, endpoint.settings):
        assert [note[1] for note in loads(tmp_path)].count("parity") == 2


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"parity": 1e-3}, "differs from the reference by 0.001"),
        ({"parity": float("nan")}, "differs from the reference by nan"),
        ({"no_compiled": True}, "dropml/ is absent"),
        ({"terminates": True}, "could not be compared (the process of the reference form has ended)"),
    ],
)
def test_a_compiled_form_that_is_off_is_refused_for_the_reference(
    tmp_path: Path, knobs: dict[str, Any], sentence: str
) -> None:
    with one_model(tmp_path, tiny=knobs) as endpoint:
        state = endpoint.settled()["m1"]
        assert (state["status"], state["form"], state["error"]) == ("ready", "reference", None)
        assert sentence in state["note"]
        assert sentence in endpoint.log
        assert endpoint.score(payload(30, 50)).json() == ["no", "yes"]
        assert endpoint.process is not None
        (child,) = psutil.Process(endpoint.process.pid).children()
        assert [str(child.pid)] == [note[2] for note in loads(tmp_path) if note[1] == "reference"]
        assert endpoint.score({"input_data": {"columns": ["job"], "data": [["x"]]}}).status_code == 424
        endpoint.admin("GET", "status")
        assert "Model is missing inputs ['age']." in endpoint.log
        headers = {"Authorization": f"Bearer {PRIMARY}"}
        swagger = requests.get(f"{endpoint.url}/swagger.json", headers=headers, timeout=5).json()
        assert swagger["definitions"]["ServiceOutput"]["example"] == ["no"]
    assert not child.is_running()


def test_a_model_that_kills_its_process_costs_one_request(tmp_path: Path) -> None:
    knobs = {"no_compiled": True, "dies_at": 13, "raises_at": 14}
    with one_model(tmp_path, tiny=knobs) as endpoint:
        assert endpoint.score(payload(13)).status_code == 424
        statuses: list[int] = []
        while not statuses or (statuses[-1] != 200 and len(statuses) < 50):
            statuses.append(endpoint.score(payload(50)).status_code)
            time.sleep(0.05)
        assert statuses[-1] == 200
        failed = endpoint.score(payload(14))
        assert (failed.status_code, failed.headers["x-ms-run-function-failed"]) == (424, "True")
        endpoint.admin("GET", "status")
        assert "started again" in endpoint.log
        assert "secret row" not in endpoint.log


def test_the_child_ends_when_the_endpoint_is_killed(tmp_path: Path) -> None:
    with one_model(tmp_path, tiny={"no_compiled": True}) as endpoint:
        assert endpoint.process is not None
        (child,) = psutil.Process(endpoint.process.pid).children()
        endpoint.process.kill()
        endpoint.process.wait()
        child.wait(5)
