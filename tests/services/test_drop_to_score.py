"""A file dropped to be scored is one batch: found again by its version, waiting where no model is live, never in quarantine."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from shared.domain.batches import BatchView
from shared.domain.errors import NotFound, Transient
from shared.services.batches import dropped, showing, waiting, worker
from shared.services.batches.showing import BatchQuery
from shared.services.intake.attempts import TRIES
from shared.services.run.listed_batches import WAITING
from shared.services.run.views import PageQuery, datasets
from tests.support.intake_front import Front
from tests.support.memory import Crash
from tests.support.memory_batches import BATCHES, dropped_files
from tests.support.scoring_support import Endpoint, Scripted, serve, serving_document

ROWS = "age,job,euribor3m,member\n57,technician,1.3,\n30,admin.,4.8,true\n61,admin.,4.8,false\n"
DAY = 86400.0


class Bank(Front):
    """The front of the house with a dataset `bank` that may be in service."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.endpoint = endpoint

    def go_live(self, slug: str = "bank", **changes: Any) -> None:
        self.world.docs.put(
            f"serving/{slug}.json", serving_document(self.endpoint, slug) | {"dataset": slug} | changes
        )

    def tick(self) -> None:
        waiting.start_waiting(self.batches)
        worker.step_batches(self.batches, time.monotonic() + 60)

    def listed(self, **params: str) -> tuple[BatchView, ...]:
        return showing.page(self.batches, BatchQuery.parse(params))[0].batches

    def only(self) -> BatchView:
        (found,) = self.listed()
        return found

    def read(self, path: str) -> str:
        container, _, name = path.partition("/")
        return b"".join(self.files.stream(container, name)).decode()

    def output(self, batch: BatchView) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.read(batch.output))))

    def in_batch_container(self) -> list[str]:
        return [info.name for info in self.files.list(BATCHES)]

    def untouched(self) -> bool:
        """Whether no file became a run, and none was reported in the quarantine."""
        return not self.world.runs() and not list(self.files.list("dropml-quarantine"))


@pytest.fixture
def bank() -> Iterator[Bank]:
    with serve(Endpoint()) as endpoint:
        yield Bank(endpoint)


def test_a_file_named_for_it_is_scored_with_the_live_model(bank: Bank) -> None:
    bank.go_live()
    labelled = "".join(line + ",yes\n" for line in ROWS.splitlines()).replace("member,yes", "member,y")
    bank.put("bank.score.csv", labelled)
    assert bank.drop("bank.score.csv") is None
    queued = bank.only()
    assert (queued.status, queued.dropped) == ("queued", "incoming/bank.score.csv")
    (version,) = [info.etag for info in bank.files.list("incoming")]
    assert queued.dropped_etag == version.strip('"'), "whoever dropped it knows its own version again"
    assert queued.output == f"{BATCHES}/bank/{queued.id}/output.csv"
    assert queued.id.startswith("bank-score-20"), "a person finds it by the file's name and its date"
    bank.tick()
    done = bank.only()
    assert (done.status, done.rows, done.rows_failed, done.models) == ("completed", 3, 0, {"bank:1": 3})
    rows = bank.output(done)
    assert [row["prediction"] for row in rows] == ["yes", "no", "yes"]
    assert [row["y"] for row in rows] == ["yes", "yes", "yes"], "the label passes through and decides nothing"
    assert bank.in_batch_container() == [f"bank/{done.id}/output.csv"], "the copy is gone"
    assert [info.name for info in bank.files.list("incoming")] == ["bank.score.csv"]
    assert bank.untouched()
    told = [line for line in bank.world.logged if line["what"] == "a file is scored as a batch"]
    assert [(line["blob"], line["output"]) for line in told] == [("bank.score.csv", done.output)]


@pytest.mark.parametrize(
    "name",
    [
        "bank.score.csv",
        "bank.SCORE.CSV",
        "bank.score.tsv",
        "bank.score.csv.gz",
        "bank.Score.Csv.GZ",
    ],
)
def test_under_all_endings_that_intake_takes(bank: Bank, name: str) -> None:
    bank.go_live()
    text = ROWS.replace(",", "\t") if "tsv" in name else ROWS
    data = gzip.compress(text.encode()) if name.lower().endswith("gz") else text.encode()
    bank.files.put("incoming", name, data)
    bank.drop(name)
    bank.tick()
    assert [row["prediction"] for row in bank.output(bank.only())] == ["yes", "no", "yes"]
    assert bank.untouched()


def test_a_row_that_cannot_be_scored_says_so_in_its_place(bank: Bank) -> None:
    bank.go_live()
    bank.put("bank.score.csv", ROWS + "old,technician,1.3,\n")
    bank.drop("bank.score.csv")
    bank.tick()
    assert bank.only().rows_failed == 1
    assert "age" in bank.output(bank.only())[-1]["prediction_error"]


class TestATableOfPlainNameWithoutItsLabel:
    def test_is_scored_where_its_columns_are_the_live_models(self, bank: Bank) -> None:
        bank.go_live()
        bank.put("bank.csv", ROWS)
        assert bank.drop("bank.csv") is None
        assert bank.drop("bank.csv") is None, "told of twice, it is one batch"
        bank.tick()
        assert bank.only().status == "completed"
        assert bank.sweep() == 0
        assert len(bank.listed()) == 1
        assert bank.untouched()

    def test_stays_a_batch_when_another_model_is_live(self, bank: Bank) -> None:
        bank.go_live()
        bank.put("bank.csv", ROWS)
        bank.drop("bank.csv")
        other = {"label": "z", "columns": [{"name": "other", "type": "number"}]}
        bank.go_live(schema=other)
        assert bank.drop("bank.csv") is None
        assert bank.untouched()

    @pytest.mark.parametrize(
        ("header", "differences", "remedy"),
        [
            (
                "age,job,euribor3m,member,Y",
                'it has "Y" besides',
                "Dropped as bank.score.csv it is scored as it is.",
            ),
            ("age,job,euribor3m", 'it lacks "member"', "Dropped as bank.score.csv it is scored as it is."),
            ("job,euribor3m,member", 'it lacks "age"', "To have it scored, give it the model's columns."),
        ],
    )
    def test_is_refused_where_they_are_not_and_told_which_differ(
        self, bank: Bank, header: str, differences: str, remedy: str
    ) -> None:
        bank.go_live()
        bank.put("bank.csv", header + "\n" + ",".join("1" for _ in header.split(",")) + "\n")
        problem = bank.problem(bank.drop("bank.csv"))
        assert problem.code == "label-missing"
        assert problem.message.endswith(
            f"Nor is it scored by the live model bank:1, whose columns are others: {differences}."
        )
        assert problem.remedy.endswith(remedy)
        assert bank.listed() == ()

    def test_is_refused_as_a_first_file_and_told_how_rows_are_scored(self, bank: Bank) -> None:
        bank.put("bank.csv", ROWS)
        problem = bank.problem(bank.drop("bank.csv"))
        assert problem.code == "label-missing"
        assert problem.remedy.endswith(
            "Rows to be scored are dropped as bank.score.csv, and wait for the first model."
        )

    def test_is_learnt_from_where_the_configuration_names_another_label(self, bank: Bank) -> None:
        bank.go_live()
        bank.put("bank.yaml", "label: job\n")
        bank.put("bank.csv", ROWS)
        assert bank.problem(bank.drop("bank.csv")).code == "too-few-rows"
        assert bank.listed() == ()

    def test_is_learnt_from_once_the_configuration_says_so(self, bank: Bank) -> None:
        bank.go_live()
        bank.put("bank.csv", ROWS)
        assert bank.drop("bank.csv") is None
        bank.put("bank.yaml", "label: job\n")
        assert bank.problem(bank.drop("bank.yaml")).code == "too-few-rows"

    def test_with_a_wrong_configuration_is_refused_for_that(self, bank: Bank) -> None:
        bank.go_live()
        bank.put("bank.yaml", "lable: y\n")
        bank.put("bank.csv", ROWS)
        assert bank.problem(bank.drop("bank.csv")).code == "invalid-config"

    def test_that_is_no_table_is_refused_for_that(self, bank: Bank) -> None:
        bank.go_live()
        bank.put("bank.csv", "\0\0\0\0")
        assert bank.problem(bank.drop("bank.csv")).code == "binary-file"


class TestWhereNoModelIsLive:
    def test_it_waits_says_so_and_starts_by_itself(self, bank: Bank) -> None:
        bank.put("bank.score.csv", ROWS)
        bank.drop("bank.score.csv")
        batch = bank.only()
        assert batch.status == "waiting"
        assert batch.error is not None
        assert batch.error.code == "no-live-model"
        assert batch.waits_until == bank.world.clock.now + 14 * DAY
        assert showing.show(bank.batches, "bank", batch.id) == batch
        assert [view.open_batches for view in datasets(PageQuery(), bank.world.store).datasets] == [1]
        bank.tick()
        assert bank.only().status == "waiting"
        bank.put("bank.score.csv", "another file has taken its place")
        bank.go_live()
        bank.tick()
        done = bank.only()
        assert (done.status, done.error, done.waits_until) == ("completed", None, None)
        assert [row["prediction"] for row in bank.output(done)] == ["yes", "no", "yes"]
        assert list(bank.world.docs.list(WAITING)) == []
        assert [view.open_batches for view in datasets(PageQuery(), bank.world.store).datasets] == [0]

    def test_the_days_end_in_a_verdict(self, bank: Bank) -> None:
        bank.put("bank.score.csv", ROWS)
        bank.drop("bank.score.csv")
        bank.world.clock.now += 14 * DAY - 1
        bank.tick()
        assert bank.only().status == "waiting"
        bank.world.clock.now += 2
        bank.tick()
        batch = bank.only()
        assert batch.status == "failed"
        assert batch.error is not None
        assert batch.error.code == "no-model-in-time"
        assert "incoming/bank.score.csv" in bank.read(f"{BATCHES}/bank/{batch.id}/report.txt")
        bank.go_live()
        bank.tick()
        assert bank.only().status == "failed", "what is told stays"
        assert bank.untouched()

    def test_a_tick_reads_no_document_of_those_that_wait(
        self, bank: Bank, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(7):
            bank.put(f"d{n}.score.csv", ROWS)
            bank.drop(f"d{n}.score.csv")
        bank.tick()
        read: list[str] = []
        get = bank.world.docs.get

        def watched(path: str) -> Any:
            read.append(path)
            return get(path)

        monkeypatch.setattr(bank.world.docs, "get", watched)
        bank.tick()
        assert read == ["batches/open.json"]

    def test_columns_that_do_not_fit_the_first_model_are_told_then(self, bank: Bank) -> None:
        bank.put("bank.score.csv", "job,agee\ntechnician,5\n")
        bank.drop("bank.score.csv")
        assert bank.only().status == "waiting"
        bank.go_live()
        bank.tick()
        batch = bank.only()
        assert batch.status == "failed"
        assert batch.error is not None
        assert batch.error.code == "invalid-rows"
        assert 'it lacks "age", "euribor3m" and has "agee" besides' in batch.error.message

    def test_hosts_that_look_at_once_start_it_once(self, bank: Bank) -> None:
        bank.put("bank.score.csv", ROWS)
        bank.drop("bank.score.csv")
        bank.go_live()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: waiting.start_waiting(bank.batches), range(8)))
        assert list(bank.batches.open.entries()) == [f"bank/{bank.only().id}"]
        assert list(bank.world.docs.list(WAITING)) == []
        bank.tick()
        assert (bank.only().status, bank.only().rows) == ("completed", 3)

    def test_a_mark_that_nobody_can_read_or_whose_document_never_came_stands_in_no_ones_way(
        self, bank: Bank
    ) -> None:
        bank.put("bank.score.csv", ROWS)
        bank.drop("bank.score.csv")
        (mark,) = bank.world.docs.list(WAITING)
        bank.world.docs.mark(mark, {"until": "soon"})
        bank.world.docs.mark(f"{WAITING}gone~1", {"until": str(bank.world.clock.now - 1)})
        bank.tick()
        assert list(bank.world.docs.list(WAITING)) == [mark]
        assert bank.only().status == "waiting", "its document knows how long"

    def test_another_datasets_short_form_is_not_its_name(self, bank: Bank) -> None:
        bank.go_live("bank-1a2b", dataset="Bank")
        bank.put("bank-1a2b.score.csv", ROWS)
        bank.drop("bank-1a2b.score.csv")
        assert bank.only().status == "waiting"


class TestOnce:
    def test_the_same_version_told_of_again_is_the_same_batch_and_a_new_one_another(self, bank: Bank) -> None:
        bank.go_live()
        bank.put("bank.score.csv", ROWS)
        for _ in range(3):
            bank.drop("bank.score.csv")
        first = bank.only()
        bank.put("bank.score.csv", ROWS + "18,admin.,1,\n")
        bank.drop("bank.score.csv")
        bank.sweep()
        bank.tick()
        batches = {batch.id: batch for batch in bank.listed()}
        assert len(batches) == 2
        assert sorted(batch.rows for batch in batches.values()) == [3, 4]
        assert batches[first.id].rows == 3, "each has the rows of its own version"

    def test_the_sweep_finds_what_no_event_told_of(self, bank: Bank) -> None:
        bank.put("bank.score.csv", ROWS)
        bank.put("other.score.csv.gz", ROWS)
        bank.sweep()
        assert {batch.dataset for batch in bank.listed()} == {"bank", "other"}
        before = dict(bank.world.docs.blobs)
        bank.sweep()
        assert {path for path in bank.world.docs.blobs if "batches" in path} == {
            path for path in before if "batches" in path
        }

    def test_two_hosts_at_once(self, bank: Bank) -> None:
        bank.go_live()
        bank.put("bank.score.csv", ROWS)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: bank.drop("bank.score.csv"), range(6)))
        bank.tick()
        assert bank.only().status == "completed"
        assert bank.untouched()

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("text", [ROWS, "job\ntechnician\n"])
    def test_a_death_anywhere_is_found_again_by_name(self, live: bool, text: str) -> None:
        def story(die_at: int | None) -> bool:
            with serve(Endpoint()) as endpoint:
                bank = Bank(endpoint)
                bank.world.points.wrap(bank.batches.files, ["copy", "put", "stage", "commit", "delete"])
                if live:
                    bank.go_live()
                bank.put("bank.score.csv", text)
                points = bank.world.points
                points.die_at = None if die_at is None else 2 * len(points.seen) + die_at
                died = False
                deeds: list[Callable[[], object]] = [
                    partial(bank.drop, "bank.score.csv"),
                    bank.go_live,
                    bank.tick,
                ]
                for deed in deeds:
                    try:
                        deed()
                    except Crash:
                        died = True
                        points.die_at = None
                bank.world.points.die_at = None
                bank.go_live()
                bank.world.clock.now += worker.CLAIM_SECONDS + 1
                bank.sweep()
                bank.tick()
                batch = bank.only()
                assert batch.status == ("completed" if text == ROWS else "failed")
                assert batch.rows == (3 if text == ROWS else 0)
                assert bank.world.docs.get(f"batches/bank/{batch.id}.json")
                left = "output.csv" if text == ROWS else "report.txt"
                assert bank.in_batch_container() == [f"bank/{batch.id}/{left}"]
                assert [info.name for info in bank.files.list("incoming")] == ["bank.score.csv"]
                assert list(bank.world.docs.list(WAITING)) == []
                assert bank.batches.open.entries() == {}
                assert bank.untouched()
                return died

        assert not story(None)
        at = 0
        while story(at):
            at += 1
        assert at > 10, "there was something to die at"


class TestWhatCannotBeScored:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "no-rows"),
            ("\0\0\0", "binary-file"),
            ("job,agee\nx,5\n", "invalid-rows"),
            ("age,age,job,euribor3m\n", "invalid-rows"),
            ("age,job,euribor3m,member\n", "no-rows"),
        ],
    )
    def test_ends_as_a_failed_batch_with_a_report_where_the_answer_would_be(
        self, bank: Bank, text: str, code: str
    ) -> None:
        bank.go_live()
        bank.put("bank.score.csv", text)
        bank.drop("bank.score.csv")
        batch = bank.only()
        assert batch.status == "failed"
        assert batch.error is not None
        assert batch.error.code == code
        assert bank.in_batch_container() == [f"bank/{batch.id}/report.txt"]
        report = bank.read(f"{BATCHES}/bank/{batch.id}/report.txt")
        assert "incoming/bank.score.csv was not scored" in report
        assert batch.error.message in report
        assert bank.untouched()

    def test_a_file_larger_than_is_taken_is_not_read(self, bank: Bank) -> None:
        bank.put("bank.score.csv", ROWS)
        small = dropped_files(bank.world, bank.batches, max_bytes=10)
        info = bank.files.properties("incoming", "bank.score.csv")
        taken = small.take(
            dropped.Drop("bank", "bank", "incoming", info.name, info.etag, info.size, info.last_modified)
        )
        assert taken.error is not None
        assert taken.error.code == "too-large"

    def test_what_goes_on_failing_is_told_in_the_end(
        self, bank: Bank, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bank.put("bank.score.csv", ROWS)

        def broken(*_: object) -> None:
            raise KeyError("x")

        monkeypatch.setattr(bank.batches.files, "copy", broken)
        for _ in range(TRIES - 1):
            with pytest.raises(KeyError):
                bank.drop("bank.score.csv")
        assert bank.drop("bank.score.csv") is None
        (report,) = bank.reports()
        assert report["problem"]["code"] == "unexpected"

    def test_storage_that_is_away_is_tried_again(self, bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
        bank.go_live()
        bank.put("bank.score.csv", ROWS)

        def away(*_: object) -> None:
            raise Transient("away")

        with monkeypatch.context() as patched:
            patched.setattr(bank.batches.files, "copy", away)
            with pytest.raises(Transient):
                bank.drop("bank.score.csv")
        bank.drop("bank.score.csv")
        bank.tick()
        assert bank.only().status == "completed"


def test_the_datasets_configuration_says_how_the_file_is_written(bank: Bank) -> None:
    bank.put("bank.yaml", "encoding: utf-16-le\n")
    bank.files.put("incoming", "bank.score.csv", ROWS.encode("utf-16-le"))
    bank.go_live()
    bank.drop("bank.score.csv")
    bank.tick()
    assert [row["prediction"] for row in bank.output(bank.only())] == ["yes", "no", "yes"]


def test_a_wrong_configuration_keeps_no_file_from_being_scored(bank: Bank) -> None:
    bank.put("bank.yaml", "lable: y\n")
    bank.put("bank.score.csv", ROWS)
    bank.go_live()
    bank.drop("bank.score.csv")
    bank.tick()
    assert bank.only().status == "completed"


def test_lists_are_newest_first_page_by_page_and_by_dataset(bank: Bank) -> None:
    bank.go_live()
    for n in range(5):
        bank.put("bank.score.csv", ROWS + f"5{n},admin.,1,\n")
        bank.drop("bank.score.csv")
        bank.put(f"other{n}.score.csv", ROWS)
        bank.drop(f"other{n}.score.csv")
    every = [batch.id for batch in bank.listed()]
    assert len(every) == 10
    times = [round(batch.created_at, 3) for batch in bank.listed()]
    assert times == sorted(times, reverse=True)
    pieces: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = BatchQuery.parse({"limit": "3"} | ({"cursor": cursor} if cursor else {}))
        found, _ = showing.page(bank.batches, query)
        pieces += [batch.id for batch in found.batches]
        cursor = found.cursor
    assert pieces == every
    assert {batch.dataset for batch in bank.listed(dataset="bank")} == {"bank"}
    assert len(bank.listed(dataset="bank")) == 5
    assert [batch.dataset for batch in bank.listed(dataset="other3")] == ["other3"]
    assert bank.listed(dataset="nobody") == ()
    _, before = showing.page(bank.batches, BatchQuery())
    assert showing.page(bank.batches, BatchQuery())[1] == before
    bank.tick()
    assert showing.page(bank.batches, BatchQuery())[1] != before


def test_a_batch_that_there_is_not(bank: Bank) -> None:
    with pytest.raises(NotFound) as nothing_live:
        showing.show(bank.batches, "bank", "x")
    assert nothing_live.value.error_code == "no-live-model"
    bank.go_live()
    with pytest.raises(NotFound) as no_such:
        showing.show(bank.batches, "bank", "x")
    assert no_such.value.error_code == "unknown-batch"


@pytest.mark.parametrize("waits", [True, False])
def test_probabilities_come_along_where_the_setting_says_so(bank: Bank, waits: bool) -> None:
    bank.batches.scoring.probabilities = True
    answer = {
        "result": ["yes", "no", "yes"],
        "classes": ["no", "yes"],
        "probabilities": [[0.25, 0.75], [0.5, 0.5], [0.125, 0.875]],
    }
    bank.endpoint.script = [Scripted(200, json.dumps(answer).encode())]
    live = {"m1-a1": {"run_id": "bank-1-a1", "model": "bank:1", "mode": "script"}}
    bank.put("bank.score.csv", ROWS)
    if waits:
        bank.drop("bank.score.csv")
        bank.go_live(deployments=live)
    else:
        bank.go_live(deployments=live)
        bank.drop("bank.score.csv")
    bank.tick()
    done = bank.only()
    assert (done.status, done.classes) == ("completed", ["no", "yes"]), done.error
    assert [list(row.values())[-2:] for row in bank.output(done)] == [
        ["0.25", "0.75"],
        ["0.5", "0.5"],
        ["0.125", "0.875"],
    ]
