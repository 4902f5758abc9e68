"""The whole product on the real stack, through its front door: what a person does in the first hour."""

from __future__ import annotations

import csv
import io
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from benchmarks.bench import stack_targets
from dropml import stack
from dropml.cli.demo import walkthrough_records
from dropml.cli.sample import write_synthetic
from tests.support.live_stack import LiveStack

pytestmark = pytest.mark.e2e
BUDGET = 15.0
DATASET = "bankmarketing_train"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    home = tmp_path_factory.mktemp("stack")
    running = stack.up(home, label="y", budget=BUDGET)
    try:
        yield LiveStack(running)
    finally:
        started = [process.find() for process in running.places.processes.values()]
        parts = [psutil.Process(child.pid) for child in started if child]
        tree = [p for part in parts for p in [part, *part.children(recursive=True)]]
        stack.down(home)
        assert tree, "the stack was running"
        assert not [p for p in tree if p.is_running() and p.status() != psutil.STATUS_ZOMBIE], (
            "nothing is left"
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The real file where the reference folder has it, else a synthetic one of the same schema."""
    reference = Path(__file__).resolve().parents[3] / "shared" / "data" / "bankmarketing_train.csv"
    path = reference if reference.is_file() else write_synthetic(tmp_path_factory.mktemp("data") / "b.csv")
    return path.read_bytes()


@pytest.fixture(scope="module")
def live(client: LiveStack, data: bytes) -> dict[str, Any]:
    """The first drop, uploaded with the plain storage SDK, on its way to live."""
    client.drop(f"{DATASET}.csv", data)
    run = client.wait(DATASET, seconds=BUDGET + 90)
    assert run["state"] == "live", run["problem"] or run["gate"]
    return run


def test_a_dropped_csv_is_live_with_a_leaderboard(client: LiveStack, live: dict[str, Any]) -> None:
    board = client.get(f"/runs/{live['run_id']}/leaderboard")
    done = [t for t in board["trials"] if t["status"] == "Completed"]
    # How many there are is the machine's affair; that there was a choice, and what it came to, is ours.
    assert len({t["algorithm"] for t in done}) >= 2
    assert board["best"] in {t["name"] for t in done}
    assert board["trials"][0]["metrics"]["AUC_weighted"] > 0.85
    assert live["placement"]["app_insights_enabled"] is True
    assert live["placement"]["auth_mode"] == "key"


def test_scoring_answers_labels_and_names_the_version(client: LiveStack, live: dict[str, Any]) -> None:
    rows = live["snapshot"]["schema"]["example"]
    answer = client.request("POST", f"/score/{DATASET}", json={"data": rows})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["result"]) <= {"yes", "no"}
    assert answer.headers["x-dropml-run"] in client.run_ids(DATASET)
    bare = client.request("POST", "/score", json=rows)
    alone = len([d for d in client.get("/datasets")["datasets"] if d["model"]]) == 1
    assert (bare.status_code == 200) == alone, "with one dataset, and only then, its name may be left out"


def test_two_records_have_the_same_probabilities_by_proxy_csv_batch_and_the_endpoints_own_address(
    client: LiveStack, live: dict[str, Any]
) -> None:
    placement = live["placement"]
    rows: list[dict[str, Any]] = walkthrough_records(live["snapshot"]["schema"])[:2]
    assert len(rows) == 2
    assert placement["mode"] == "script"
    assert "/codes/dropml-scorer/versions/" in placement["code"]
    assert "/environments/dropml-scoring/versions/" in placement["environment"]

    proxy = client.request("POST", f"/score/{DATASET}?proba=true", json={"data": rows})
    assert proxy.status_code == 200, proxy.text
    found = proxy.json()
    assert found["classes"] == ["no", "yes"]
    assert [sum(shares) for shares in found["probabilities"]] == pytest.approx([1.0, 1.0])

    endpoint = stack_targets(client.running.home, live["slug"])["endpoint"]
    assert endpoint.url == placement["scoring_uri"]
    own = requests.post(endpoint.url, json={"input_data": rows}, headers=endpoint.headers, timeout=30).json()
    assert {name: own[name] for name in ("result", "probabilities", "classes")} == found
    assert own["model"] == proxy.headers["x-dropml-model"]

    sent = csv_of(rows)
    headers = {"content-type": "text/csv"}
    answer = client.request("POST", f"/score/{DATASET}?proba=true&shape=csv", data=sent, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert by_class(answer.text) == pytest.approx(by_row(found), abs=1e-12)

    taken = client.request("POST", f"/score/{DATASET}/batch?proba=true", data=sent, headers=headers)
    assert taken.status_code == 202, taken.text
    path = taken.headers["Location"].partition("/api")[2]
    deadline = time.monotonic() + 60
    while (batch := client.get(path))["status"] not in ("completed", "failed"):
        assert time.monotonic() < deadline, batch
        time.sleep(0.5)
    assert (batch["status"], batch["rows"], batch["classes"]) == ("completed", 2, ["no", "yes"]), batch
    container, _, name = batch["output"].partition("/")
    output = client.storage.get_blob_client(container, name).download_blob().readall().decode()
    assert by_class(output) == pytest.approx(by_row(found), abs=1e-12)


def csv_of(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def by_row(answer: dict[str, Any]) -> dict[str, Any]:
    """Row and class (or `prediction`) with what was answered."""
    found = {f"{row} prediction": label for row, label in enumerate(answer["result"])}
    for row, shares in enumerate(answer["probabilities"]):
        found |= {f"{row} {name}": share for name, share in zip(answer["classes"], shares, strict=True)}
    return found


def by_class(text: str) -> dict[str, Any]:
    """The same of a CSV's columns."""
    found: dict[str, Any] = {}
    for row, cells in enumerate(csv.DictReader(io.StringIO(text))):
        found[f"{row} prediction"] = cells["prediction"]
        named = {name: cells[name] for name in cells if name.startswith("probability_")}
        found |= {f"{row} {name.removeprefix('probability_')}": float(share) for name, share in named.items()}
    return found


def test_a_file_dropped_to_be_scored_is_answered_and_one_without_a_model_waits(
    client: LiveStack, live: dict[str, Any], data: bytes
) -> None:
    lines = data.decode().splitlines(keepends=True)[:201]
    before = client.run_ids(DATASET)
    earlier = {one["id"] for one in client.get(f"/batches?dataset={DATASET}")["batches"]}
    client.drop("nobody.score.csv", "".join(lines).encode())
    client.drop(f"{DATASET}.score.csv", "".join(lines).encode())

    def batch(dataset: str) -> dict[str, Any]:
        found = client.get(f"/batches?dataset={dataset}")["batches"]
        return next((dict(one) for one in found if one["id"] not in earlier), {"status": "not taken yet"})

    deadline = time.monotonic() + 60
    while batch(DATASET)["status"] not in ("completed", "failed") and time.monotonic() < deadline:
        time.sleep(0.5)
    done = batch(DATASET)
    assert (done["status"], done["rows"], done["rows_failed"]) == ("completed", 200, 0), done
    assert done["dropped"] == f"incoming/{DATASET}.score.csv"
    container, _, name = done["output"].partition("/")
    text = client.storage.get_blob_client(container, name).download_blob().readall().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 200
    assert {row["prediction"] for row in rows} <= {"no", "yes"}
    waiting = batch("nobody")
    assert (waiting["status"], waiting["error"]["code"]) == ("waiting", "no-live-model")
    assert not list(client.quarantine.list_blobs(name_starts_with="_files/")), "nothing is quarantined"
    assert client.run_ids("nobody") == []
    assert client.run_ids(DATASET) == before, "nothing is trained"


def test_wrong_keys_are_refused_at_both_doors(client: LiveStack, live: dict[str, Any]) -> None:
    for headers in ({}, {"x-functions-key": "wrong"}):
        url = f"{client.running.api}/score/{DATASET}"
        assert requests.post(url, json={"data": []}, headers=headers, timeout=10).status_code == 401
        assert requests.get(f"{client.running.api}/runs", headers=headers, timeout=10).status_code == 401
    assert requests.get(f"{client.running.api}/health", timeout=10).status_code == 200
    uri = live["placement"]["scoring_uri"]
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert requests.post(uri, json={"input_data": {}}, headers=headers, timeout=10).status_code == 401


def test_swagger_describes_the_live_model(client: LiveStack, live: dict[str, Any]) -> None:
    swagger = client.get("/swagger.json")
    text = str(swagger)
    assert swagger["openapi"].startswith("3.")
    assert all(column["name"] in text for column in live["snapshot"]["schema"]["columns"])
    assert any("runs" in path for path in swagger["paths"])


def test_the_endpoint_is_named_documented_measured_and_its_keys_rotate_under_load(
    client: LiveStack, live: dict[str, Any]
) -> None:
    (served,) = [d for d in client.get("/datasets")["datasets"] if d["dataset"] == DATASET]
    name = served["endpoint"]
    assert name == live["placement"]["endpoint"]
    assert served["model"].startswith(f"{live['model']['name']}:")
    swagger = client.get(f"/endpoints/{name}/swagger.json")
    assert swagger["swagger"] == "2.0"
    assert "input_data" in swagger["definitions"]["ServiceInput"]["properties"]
    measured = client.request("POST", f"/endpoints/{name}/benchmark", json={"requests": 40}).json()
    assert (measured["requests"], measured["errors"]) == (40, {})
    assert 0 < measured["latency_ms"]["p50"] <= measured["latency_ms"]["p99"]
    stop, answers = threading.Event(), []

    def call() -> None:
        while not stop.is_set():
            answer = client.request("POST", f"/score/{DATASET}", json=live["snapshot"]["schema"]["example"])
            answers.append((answer.status_code, answer.text))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    taken = client.request("POST", f"/endpoints/{name}/rotate-key")
    assert taken.status_code == 202, taken.text
    until = time.monotonic() + 120
    while (rotation := client.get(f"/endpoints/{name}/rotation"))["status"] in ("queued", "running"):
        assert time.monotonic() < until
        time.sleep(0.5)
    stop.set()
    for caller in callers:
        caller.join(30)
    assert (rotation["status"], sorted(rotation["rotated"])) == ("completed", ["primary", "secondary"])
    assert len(answers) > 20
    assert [answer for answer in answers if answer[0] != 200] == []


def test_the_ledger_holds(client: LiveStack, live: dict[str, Any]) -> None:
    ledger = client.get(f"/runs/{live['run_id']}/ledger")
    assert ledger["broken_at"] is None
    assert "live" in [e["state"] for e in ledger["entries"] if e["event"] == "state"]


def test_the_published_pipeline_trains_anew_and_the_gate_decides(
    client: LiveStack, live: dict[str, Any]
) -> None:
    key, short = uuid.uuid4().hex, {"max_trials": 2}
    path = f"/pipelines/{DATASET}/runs"
    asked = client.request("POST", path, headers={"Idempotency-Key": key}, json=short)
    assert asked.status_code == 202, asked.text
    again = client.request("POST", path, headers={"Idempotency-Key": key}, json=short)
    assert again.json()["id"] == asked.json()["id"]
    run = client.wait(DATASET, number=2, seconds=BUDGET + 120)
    assert run["state"] in ("live", "rejected"), run["problem"]
    assert run["cause"] == "pipeline"
    assert run["gate"]["numbers"]["champion"] is not None
    assert run["gate"]["numbers"]["challenger"] is not None
    deadline = time.monotonic() + 30
    while (doc := client.get(f"{path}/{asked.json()['id']}"))[
        "status"
    ] == "running" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert (doc["status"], doc["run_id"]) == ("completed", run["run_id"])


GOOD = ["a,y", *(f"{i},{'yes' if i % 3 else 'no'}" for i in range(120))]


def table(rows: list[str]) -> bytes:
    return ("\n".join(rows) + "\n").encode()


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "header": (b"a,y\n", "row"),
    "twice": (table(["a,a,y", *("1,2,yes" for _ in range(60))]), "a"),
    "unnamed": (table(["a,,y", *("1,2,yes" for _ in range(60))]), "column"),
    "ragged": (table([*GOOD[:60], "1,yes,extra", *GOOD[60:]]), "61"),
    "nolabel": (table(["a,b", *("1,2" for _ in range(60))]), "y"),
    "oneclass": (table(["a,y", *(f"{i},yes" for i in range(60))]), "same value"),
    "short": (table(GOOD[:40]), "50"),
    "binary": (bytes(range(256)) * 40, "UTF-8"),
}


def test_bad_files_end_in_quarantine_with_a_report_and_the_original(client: LiveStack) -> None:
    for name, (content, _) in BAD.items():
        client.drop(f"bad-{name}.csv", content)
    quarantine = client.storage.get_container_client("dropml-quarantine")
    for name, (content, word) in BAD.items():
        run = client.wait(f"bad-{name}", seconds=60)
        assert run["state"] == "quarantined", (name, run["state"], run["problem"])
        assert word in run["problem"]["message"] + str(run["problem"]), (name, run["problem"])
        assert run["problem"]["remedy"], name
        kept = {b.name: b for b in quarantine.list_blobs(name_starts_with=f"{run['slug']}/")}
        (original,) = [b for b in kept if b.endswith(".csv")]
        assert quarantine.download_blob(original).readall() == content
        assert any(b.endswith("report.json") for b in kept)
    assert client.wait("bad-ragged")["problem"]["where"]["line"] == 61


@pytest.mark.slow
def test_semicolons_and_tabs_are_taken_new_bytes_are_version_two_and_the_same_again_nothing(
    client: LiveStack,
) -> None:
    def cells(separator: str, rows: int) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=separator)
        writer.writerow(["x", "z", "target"])
        writer.writerows([[i, i * 7 % 11, "up" if (i * 7 % 11) > 5 else "down"] for i in range(rows)])
        return out.getvalue().encode()

    small = {"dropml_label": "target", "dropml_timeout_minutes": "0.5", "dropml_max_trials": "3"}
    client.drop("semi.csv", cells(";", 400), metadata=small)
    first = client.wait("semi", seconds=90)
    assert first["state"] == "live", first["problem"] or first["gate"]
    assert first["snapshot"]["rows"] == 400
    client.drop("semi.csv", cells("\t", 500), metadata=small)
    second = client.wait("semi", number=2, seconds=120)
    assert second["n"] == 2
    assert second["snapshot"]["version"] == "2"
    assert second["state"] in ("live", "rejected"), second["problem"]
    before = client.run_ids("semi")
    client.drop("semi.csv", cells("\t", 500), metadata=small)
    time.sleep(6)
    assert client.run_ids("semi") == before
