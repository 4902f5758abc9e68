"""Batch scoring on real blobs: whole files, flat memory, crashes at every write, bad rows, bad files."""

from __future__ import annotations

import contextlib
import gzip
import json
import resource
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shared.domain.errors import Transient
from shared.domain.problems import Busy
from shared.domain.rows import formulas
from shared.services.batches import worker
from tests.conftest import StorageAccount
from tests.support.memory import Crash
from tests.support.scoring_batches import HEADER, Bench, batch_bench, rows
from tests.support.scoring_support import Scripted


@pytest.fixture
def bench(storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with batch_bench(storage_account, monkeypatch) as bench:
        yield bench


def put_to_sleep(bench: Bench, *, asleep: bool) -> None:
    bench.app.publish(asleep=asleep)
    bench.app.directory.refresh("bank")


def test_a_file_is_scored_whole_and_in_order(bench: Bench) -> None:
    batch = bench.take(bench.upload(rows(4500)))
    assert (batch["status"], round(batch["progress"], 2)) == ("queued", 0.0)
    assert bench.work() == 4500
    done = bench.show(batch)
    assert (done["status"], done["progress"], done["rows"], done["rows_failed"]) == (
        "completed",
        1.0,
        4500,
        0,
    )
    assert done["models"] == {"bank:1": 4500}
    out = bench.output(batch)
    assert [int(row["age"]) for row in out] == [18 + at % 80 for at in range(4500)]
    assert all(row["prediction"] == ("yes" if int(row["age"]) > 50 else "no") for row in out)
    assert len(bench.app.endpoint.seen) < 10
    assert bench.batches.open.entries() == {}


def test_a_bad_row_is_written_back_with_its_reason_and_the_rest_is_scored(bench: Bench) -> None:
    text = (
        f"y,{HEADER}\nno,57,technician,1.3,\nno,old,technician,1.3,\nno,30,admin.\nyes,30,admin.,1.0,true\n"
    )
    batch = bench.take(bench.upload(text))
    bench.work()
    assert (bench.show(batch)["rows"], bench.show(batch)["rows_failed"]) == (4, 2)
    out = bench.output(batch)
    assert [(row["prediction"], row["prediction_error"]) for row in out] == [
        ("yes", ""),
        ("", 'Field "age" must be a whole number, not "old".'),
        ("", "3 values where 5 columns are named"),
        ("no", ""),
    ]
    assert [row["y"] for row in out] == ["no", "no", "no", "yes"]


@pytest.mark.parametrize("size", [1, 5000])
def test_a_line_with_a_damaged_quotation_mark_is_written_back_as_it_is_and_the_rest_is_scored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("shared.services.batches.csv_chunks.CHUNK_ROWS", size)
    text = (
        f'{HEADER}\n57,"tech" x,1.3,\n57,"technician",1.3,\n"30" "40",admin.,1.0,true\n30,admin.,1.0,true\n'
    )
    batch = bench.take(bench.upload(text))
    bench.work()
    shown = bench.show(batch)
    assert (shown["status"], shown["rows"], shown["rows_failed"]) == ("completed", 4, 2)
    out = bench.output(batch)
    assert [row["prediction"] for row in out] == ["", "yes", "", "no"]
    assert ["written twice" in row["prediction_error"] for row in out] == [True, False, True, False]
    assert [row["age"] for row in out] == ['57,"tech" x,1.3,', "57", '"30" "40",admin.,1.0,true', "30"]


def test_a_damaged_record_of_several_lines_ends_the_batch(bench: Bench) -> None:
    batch = bench.take(bench.upload(f'{HEADER}\n57,"two\nlines" x,1.3,\n30,admin.,1.0,true\n'))
    bench.work()
    shown = bench.show(batch)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "invalid-csv")


def test_quoted_line_breaks_other_delimiters_and_a_byte_order_mark(bench: Bench) -> None:
    text = '\ufeffjob;age;euribor3m;member\n"two\nlines; here";57;1.5;\n\n"admin.";30;2;TRUE\n'
    batch = bench.take(bench.upload(text.encode()))
    bench.work()
    out = bench.output(batch)
    assert [(row["job"], row["prediction"]) for row in out] == [("two\nlines; here", "yes"), ("admin.", "no")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (HEADER.encode() + b"\n57,\x81,1,\n", "not-utf8"),
        (HEADER.encode() + b'\n57,"open,1,\n' + b"x" * 200_000, "invalid-csv"),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_a_reason(bench: Bench, data: bytes, code: str) -> None:
    batch = bench.take(bench.upload(data))
    bench.work()
    shown = bench.show(batch)
    assert (shown["status"], shown["error"]["code"]) == ("failed", code)
    assert bench.batches.open.entries() == {}


def test_a_header_above_blank_lines_alone_fails_at_its_end(bench: Bench) -> None:
    """It completed, with an output of a header, and its caller took that for an answer."""
    for data in (f"{HEADER}\n\n,,,\n".encode(), gzip.compress(f"{HEADER}\n".encode())):
        batch = bench.take(bench.upload(data))
        bench.work()
        shown = bench.show(batch)
        assert (shown["status"], shown["error"]["code"]) == ("failed", "no-rows")


def test_an_output_that_is_scored_again_has_each_name_once(bench: Bench) -> None:
    first = bench.take(bench.upload(rows(3)))
    bench.work()
    again = bench.take(
        bench.upload(bench.container.download_blob(bench.show(first)["output"].partition("/")[2]).readall())
    )
    bench.work()
    header = list(bench.output(again)[0])
    assert header == [
        *HEADER.split(","),
        *("prediction", "prediction_error", "prediction_2", "prediction_error_2"),
    ]


def test_work_stops_at_the_deadline_and_goes_on_later(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.services.batches.csv_chunks.CHUNK_ROWS", 100)
    bench.app.endpoint.delay = 0.2
    batch = bench.take(bench.upload(rows(1000)))
    assert 0 < bench.work(worker.MARGIN + 0.8) < 1000
    assert 0 < bench.show(batch)["progress"] < 1
    while bench.show(batch)["status"] != "completed":
        assert bench.work(worker.MARGIN + 0.8) > 0
    assert [int(row["age"]) for row in bench.output(batch)] == [18 + at % 80 for at in range(1000)]


def test_a_crash_at_any_write_loses_and_doubles_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.services.batches.csv_chunks.CHUNK_ROWS", 50)
    expected = [18 + at % 80 for at in range(240)]
    effects = [(bench.files, "stage"), (bench.files, "commit"), (bench.app.documents, "replace")]
    for after in (False, True):
        for nth in range(1, 15):
            batch = bench.take(bench.upload(rows(240)))
            calls = 0

            def dying(target: Any, name: str, nth: int = nth, after: bool = after) -> Any:
                original = getattr(type(target), name)

                def run(*args: Any) -> Any:
                    nonlocal calls
                    calls += 1
                    if calls == nth and not after:
                        raise Crash
                    result = original(target, *args)
                    if calls == nth:
                        raise Crash
                    return result

                return run

            for target, name in effects:
                monkeypatch.setattr(target, name, dying(target, name), raising=False)
            with contextlib.suppress(Crash):
                bench.work()
            for target, name in effects:
                monkeypatch.delattr(target, name)
            bench.clock.now += worker.CLAIM_SECONDS + 1
            bench.work()
            shown = bench.show(batch)
            assert (shown["status"], shown["rows"]) == ("completed", 240)
            assert [int(row["age"]) for row in bench.output(batch)] == expected
            bench.work()
            assert bench.batches.open.entries() == {}


def test_two_hosts_at_once_make_one_output(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.services.batches.csv_chunks.CHUNK_ROWS", 50)
    batch = bench.take(bench.upload(rows(200)))
    key = next(iter(bench.batches.open.entries()))
    found = bench.batches.load(key)
    assert found is not None
    first, second = (worker._Work(bench.batches, key, *found) for _ in range(2))
    assert first.run(time.monotonic() + 60) == 200
    assert second.run(time.monotonic() + 60) == 0
    assert len(bench.output(batch)) == 200


def test_a_bad_moment_of_the_endpoint_is_waited_out(bench: Bench) -> None:
    bench.app.endpoint.script = [Scripted(429, headers={"Retry-After": "100"})]
    batch = bench.take(bench.upload(rows(10)))
    assert bench.work() == 0
    assert bench.show(batch)["error"]["code"] == "endpoint-busy"
    assert bench.work() == 0, "not before the pause is over"
    bench.clock.now += 101
    assert bench.work() == 10
    assert bench.show(batch)["error"] is None


def test_storage_that_fails_behind_the_scoring_is_waited_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk is written while the next is scored: what goes wrong there is not lost."""
    monkeypatch.setattr("shared.services.batches.csv_chunks.CHUNK_ROWS", 50)
    batch = bench.take(bench.upload(rows(240)))
    stage = bench.files.stage

    def failing(container: str, path: str, index: int, data: bytes) -> None:
        if index == 3:
            raise Transient("Storage answered 503.", code="storage-unavailable")
        stage(container, path, index, data)

    monkeypatch.setattr(bench.files, "stage", failing)
    assert bench.work() == 100
    shown = bench.show(batch)
    assert (shown["status"], shown["error"]["code"]) == ("running", "storage-unavailable")
    monkeypatch.undo()
    bench.clock.now += 10
    assert bench.work() == 140
    assert [int(row["age"]) for row in bench.output(batch)] == [18 + at % 80 for at in range(240)]


def test_texts_met_before_are_checked_as_the_first_time(bench: Bench) -> None:
    data = b"age,job,euribor3m,member\n41,x,2,true\nx,x,2,true\n41,x,2,true\nx,x,2,true\n41,x,,\n"
    batch = bench.take(bench.upload(data))
    bench.work()
    first, bad, again, bad_again, *_ = bench.output(batch)
    assert first == again
    assert bad == bad_again
    assert bad["prediction_error"]


def test_an_endpoint_that_never_comes_back_ends_the_batch(bench: Bench) -> None:
    bench.app.endpoint.live_keys = ["none", "none"]
    bench.app.endpoint.keys = lambda endpoint: ("x", "y")  # type: ignore[method-assign]
    batch = bench.take(bench.upload(rows(10)))
    bench.work()
    assert bench.show(batch)["status"] == "failed"
    assert bench.show(batch)["error"]["code"] == "endpoint-unauthorized"


def test_a_file_replaced_meanwhile_is_noticed(bench: Bench) -> None:
    batch = bench.take(bench.upload(rows(10)))
    bench.upload(rows(20))
    bench.work()
    assert bench.show(batch)["error"]["code"] == "source-changed"


def test_memory_stays_flat(bench: Bench) -> None:
    """Ten times the rows cost no more memory than the first thousands did."""
    bench.take(bench.upload(rows(5_000), "small.csv"))
    bench.work()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bench.app.endpoint.seen.clear()
    batch = bench.take(bench.upload(rows(50_000), "large.csv"))
    done = 0
    while done < 50_000:
        done += bench.work(worker.MARGIN + 1.0)
        bench.app.endpoint.seen.clear()  # the endpoint's own memory is not the point
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert bench.show(batch)["rows"] == 50_000
    assert grown < 40, f"{grown:.0f} MB more"


def test_a_batch_whose_document_cannot_be_read_stops_no_other(bench: Bench) -> None:
    broken, whole = (bench.take(bench.upload(rows(10), name)) for name in ("a.csv", "b.csv"))
    path = f"batches/bank/{broken['id']}.json"
    found = bench.batches.documents.get(path)
    assert found is not None
    bench.batches.documents.replace(path, {"id": 7}, found[1])
    bench.work()
    assert bench.show(whole)["status"] == "completed"


def test_formulas_become_text_and_numbers_stay_numbers(bench: Bench) -> None:
    """A spreadsheet runs what begins with =, +, - or @: whoever opens the output would run what a caller wrote."""
    cells = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-1+2", "\t=1", "＝1+1"]
    text = "age,job,euribor3m,member,y\n" + "".join(f'57,"{cell}",-1.5,,"=HYPERLINK()"\n' for cell in cells)
    batch = bench.take(bench.upload(text))
    bench.work()
    out = bench.output(batch)
    assert [row["job"] for row in out] == [f"'{cell}" for cell in cells]
    assert {row["euribor3m"] for row in out} == {"-1.5"}
    assert {row["y"] for row in out} == {"'=HYPERLINK()"}
    bench.batches.neutralise = False
    batch = bench.take(bench.upload(text))
    bench.work()
    assert [row["job"] for row in bench.output(batch)] == cells


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("-1.5", True),
        ("+3", True),
        ("-1,234.5", True),
        ("-1e-5", True),
        ("-", True),
        ("-inf", True),
        ("-3 %", True),
        ("-1+1", False),
        ("=1", False),
        ("a=1", True),
        ("", True),
        (-3, True),
        ('="00123"', True),
        ('=""', True),
        ('="-5"', False),
        ('="=1+1"', False),
        ('="a"&"b"', False),
        ('="a;=cmd()"', False),
        ('="a\n@SUM(1)"', False),
        ('=T("a")', False),
    ],
)
def test_what_a_formula_is(cell: object, kept: bool) -> None:
    assert formulas.neutral(cell) == (cell if kept else f"'{cell}")


def test_a_text_formula_is_scored_as_its_text_and_comes_back_as_it_came(bench: Bench) -> None:
    text = f'{HEADER}\n="57",="technician",="1.3",=""\n'
    batch = bench.take(bench.upload(text))
    bench.work()
    [row] = bench.output(batch)
    assert (row["age"], row["job"], row["prediction_error"]) == ('="57"', '="technician"', "")
    assert row["prediction"]


def test_a_label_that_is_a_formula_is_text_in_the_output(bench: Bench) -> None:
    bench.app.endpoint.script = [Scripted(200, b'["=1+1"]')]
    batch = bench.take(bench.upload(f"{HEADER}\n57,technician,1.3,\n"))
    bench.work()
    assert [row["prediction"] for row in bench.output(batch)] == ["'=1+1"]


def test_a_dataset_that_hangs_keeps_no_other_waiting(bench: Bench) -> None:
    hung = threading.Event()
    bench.app.publish("autumn")
    score = bench.app.calls.score

    def maybe(target: Any, *args: Any, **kwargs: Any) -> Any:
        if "autumn" in target.endpoint:
            hung.wait(60)
            raise Transient("hung")
        return score(target, *args, **kwargs)

    bench.app.calls.score = maybe  # type: ignore[method-assign]
    blob = bench.upload(rows(20))
    body = json.dumps({"blob": blob}).encode()
    bench.batches.create("autumn", body, "application/json")
    batch = bench.take(blob)
    tick = threading.Thread(target=bench.work)
    tick.start()
    until = time.monotonic() + 30
    while bench.show(batch)["status"] != "completed":
        assert time.monotonic() < until
        time.sleep(0.02)
    hung.set()
    tick.join(30)


def test_a_batch_waits_for_an_endpoint_that_sleeps_and_its_tries_are_not_counted(bench: Bench) -> None:
    """It may take longer than eight tries: the monthly file is who needs an endpoint that nobody else calls."""
    batch = bench.take(bench.upload(rows(20)))
    put_to_sleep(bench, asleep=True)
    for _ in range(40):
        assert bench.work() == 0
        bench.clock.now += worker.MAX_PAUSE
    shown = bench.show(batch)
    assert (shown["status"], shown["error"]["code"]) == ("running", "waking")
    put_to_sleep(bench, asleep=False)
    assert bench.work() == 20
    assert bench.show(batch)["status"] == "completed"


def test_a_batch_whose_endpoint_cannot_be_woken_for_a_day_has_failed(bench: Bench) -> None:
    batch = bench.take(bench.upload(rows(20)))
    put_to_sleep(bench, asleep=True)
    bench.clock.now += worker.WAKING_PATIENCE
    for _ in range(worker.MAX_ATTEMPTS):
        bench.work()
        bench.clock.now += worker.MAX_PAUSE
    assert (bench.show(batch)["status"], bench.show(batch)["error"]["code"]) == ("failed", "waking")


def test_no_endpoint_has_a_batch_wait_for_days(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = bench.take(bench.upload(rows(20)))

    def busy(*_: object, **__: object) -> None:
        raise Busy("Too many calls.", retry_after=1e9)

    with monkeypatch.context() as patch:
        patch.setattr(bench.app.scoring, "predict", busy)
        assert bench.work() == 0
    bench.clock.now += worker.MAX_PAUSE
    assert bench.work() == 20
    assert bench.show(batch)["status"] == "completed"
