"""What grows with use has a limit, its oldest going first: telemetry, jobs, operations, logs, the file itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dropml.azureml.core.store import Store
from dropml.azureml.jobs.retention import Retention
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.workspace.telemetry_rows import TelemetryRows
from dropml.common.logs import bound
from tests.support.emulator_loops import without_sockets

Row = tuple[float, str, str, str, str, str, str, str]


def row(number: int, size: int = 100) -> Row:
    return (0.0, "t", "RequestData", f"r{number}", "op", "role", "key", "x" * size)


def names(store: Store) -> list[str]:
    return [str(found[0]) for found in store.execute("SELECT name FROM telemetry ORDER BY id")]


def test_of_too_much_telemetry_the_newest_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    rows = TelemetryRows(store, rows=100, size=2**20)
    for start in range(0, 1000, 50):
        rows.keep([row(start + i) for i in range(50)])
    assert 80 <= len(names(store)) <= 100
    assert names(store)[-1] == "r999"
    few = TelemetryRows(store, rows=100, size=5_000)
    assert sum(map(len, names(store)))
    few.keep([row(1000 + i, 1000) for i in range(10)])
    kept = store.execute("SELECT sum(length(body)) FROM telemetry")[0][0]
    assert kept <= 5_000
    assert names(store)[-1] == "r1009"


def test_a_load_without_end_makes_the_file_no_larger(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    rows = TelemetryRows(store, rows=500, size=2**20)

    def load() -> int:
        for start in range(0, 5000, 250):
            rows.keep([row(start + i, 1500) for i in range(250)])
        return sum(path.stat().st_size for path in tmp_path.iterdir())

    first = load()
    assert load() <= first * 1.1
    assert first < 12 * 2**20


def test_a_file_that_an_earlier_release_filled_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = Store(path)
    sql = "INSERT INTO telemetry(received, time, type, name, operation_id, role, ikey, body) VALUES(?,?,?,?,?,?,?,?)"
    store.executemany(sql, [row(i, 60_000) for i in range(600)])
    TelemetryRows(store, rows=10)
    store.close()
    assert path.stat().st_size > 30 * 2**20
    Store(path).close()
    assert path.stat().st_size < 4 * 2**20


def test_old_jobs_and_operations_go_with_their_trials_and_files(tmp_path: Path) -> None:
    with without_sockets(tmp_path) as emulator:
        runs, store = Runs(emulator.context), emulator.context.store
        for number in range(6):
            run = runs.create(f"job-{number}", "Command", {})
            runs.create(f"job-{number}_0", "Trial", {}, parent=run, iteration=0)
            runs.folder(f"job-{number}").mkdir(parents=True)
            store.put("operation", f"op-{number}", {"status": "Succeeded"})
            if number != 0:
                runs.finish(f"job-{number}", "Completed")
        store.put("operation", "op-first", {"status": "pending"})
        asyncio.run(Retention(runs, jobs=2, operations=3).keep())
        left = {name for _, name, _ in store.find("run")}
        assert left == {name for n in (0, 4, 5) for name in (f"job-{n}", f"job-{n}_0")}, "one that runs stays"
        assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == ["job-0", "job-4", "job-5"]
        assert [key for _, key, _ in store.find("operation")] == ["op-first", "op-5", "op-4", "op-3"]


def test_a_log_that_is_being_written_is_cut_and_written_on(tmp_path: Path) -> None:
    log = tmp_path / "process.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(200):
            writer.write(b"line %d\n" % number)
        bound(log, 1000)
        writer.write(b"afterwards\n")
    lines = log.read_text().splitlines()
    assert log.stat().st_size < 600
    assert lines[-2:] == ["line 199", "afterwards"]
    assert all(line.startswith("line ") for line in lines[:-1])
