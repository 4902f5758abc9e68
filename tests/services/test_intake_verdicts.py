"""Whatever a file is called and whatever goes wrong with it, it ends in one verdict, and the others never notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.config_reader import MAX_SIDECAR
from shared.domain.documents import InvalidDocument
from shared.domain.errors import DropMLError, Fatal, Transient, Upstream
from shared.services.intake import attempts, drop, taking
from shared.services.intake.attempts import AWAY, DEATHS, REFUSED, TRIES
from shared.services.run import loop
from tests.support.intake_front import Front
from tests.support.memory import Crash

FAULTS = [
    OverflowError("secret"),
    MemoryError(),
    RecursionError(),
    KeyError("x"),
    UnicodeError("y"),
    Fatal("gone wrong"),
]


@pytest.fixture
def front() -> Front:
    return Front()


def only_for(blob: str, fault: BaseException, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, but for one blob it raises."""

    def breaking(*args: Any, **kwargs: Any) -> Any:
        named = [getattr(arg, "blob", None) or getattr(arg, "name", None) or arg for arg in args]
        if any(blob == name for name in named):
            raise fault
        return call(*args, **kwargs)

    return breaking


def break_step(front: Front, monkeypatch: pytest.MonkeyPatch, step: str, fault: BaseException) -> None:
    """Have one step of intake raise `fault` for `bad.csv` and no other file."""
    places: dict[str, tuple[Any, str]] = {
        "properties": (front.files, "properties"),
        "stream": (front.files, "stream"),
        "config": (taking, "config_for"),
        "size": (taking.Taker, "_check_size"),
        "stage": (taking.Taker, "_stage"),
        "claim": (taking.Taker, "_claim"),
        "begin": (attempts.Attempts, "begin"),
    }
    where, name = places[step]
    monkeypatch.setattr(where, name, only_for("bad.csv", fault, getattr(where, name)))


STEPS = ["properties", "stream", "config", "size", "stage", "claim", "begin"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_step_ends_in_a_verdict_after_five_tries_and_other_files_pass(
    front: Front, monkeypatch: pytest.MonkeyPatch, step: str, fault: Exception
) -> None:
    for name in ("a.csv", "bad.csv", "z.csv"):
        front.put(name)
    break_step(front, monkeypatch, step, fault)
    assert front.sweep() == 2, "the files before and behind it are taken"
    for _ in range(TRIES - 2):
        with pytest.raises(type(fault)):
            front.drop("bad.csv")
    run_id = front.drop("bad.csv")
    if run_id:
        problem = front.problem(run_id)
        code, text = problem.code, problem.message + problem.remedy
        assert front.states()[run_id] == "quarantined"
    else:
        (report,) = front.reports()
        code, text = report["problem"]["code"], report["text"]
        assert "incoming/bad.csv" in text
    assert code == ("fatal" if isinstance(fault, Fatal) else "unexpected")
    assert "secret" not in text
    assert type(fault).__name__ not in text
    assert len(front.states()) == 2 + bool(run_id)


def test_the_sweep_alone_brings_what_was_given_up_to_a_verdict(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.put("bad.csv")
    break_step(front, monkeypatch, "stage", OverflowError())
    assert [front.sweep() for _ in range(TRIES + 2)] == [0] * (TRIES - 1) + [1, 0, 0]
    assert list(front.states().values()) == ["quarantined"]
    assert not list(front.world.docs.list("tries/"))
    front.put("bad.csv")
    monkeypatch.undo()
    again = str(front.drop("bad.csv"))
    assert front.states()[again] != "quarantined", "dropped again it is a new file"


def test_a_dataset_whose_state_cannot_be_read_gets_a_report_under_its_files_name(front: Front) -> None:
    front.put("bad.csv")
    front.world.docs.blobs["datasets/bad.json"] = ("{broken", '"x"')
    for _ in range(TRIES - 1):
        with pytest.raises(InvalidDocument):
            front.drop("bad.csv")
    assert front.drop("bad.csv") is None
    (report,) = front.reports()
    assert report["problem"]["code"] == "invalid-document"


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Transient("away", code="storage-unavailable"), AWAY),
        (Upstream("refused", code="storage-refused"), REFUSED),
    ],
)
def test_an_outage_is_waited_out_and_only_one_that_lasts_is_a_verdict(
    front: Front, monkeypatch: pytest.MonkeyPatch, fault: DropMLError, seconds: float
) -> None:
    front.put("bad.csv")
    break_step(front, monkeypatch, "stream", fault)
    for _ in range(TRIES + 3):
        with pytest.raises(type(fault)):
            front.drop("bad.csv")
    front.world.clock.now += seconds
    assert front.problem(front.drop("bad.csv")).code == fault.error_code


def test_an_outage_that_passes_leaves_nothing_behind(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.put("bad.csv")
    break_step(front, monkeypatch, "stream", Transient("away"))
    with pytest.raises(Transient):
        front.drop("bad.csv")
    monkeypatch.undo()
    assert front.drop("bad.csv") == "bad-1-a1"
    assert not list(front.world.docs.list("tries/"))


def test_a_file_that_ends_the_process_each_time_is_put_aside(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.put("bad.csv")
    break_step(front, monkeypatch, "stage", Crash("out of memory"))
    for _ in range(DEATHS):
        with pytest.raises(Crash):
            front.drop("bad.csv")
    assert front.problem(front.drop("bad.csv")).code == "app-ended"


def test_a_run_that_cannot_go_on_now_is_the_next_ticks(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.put("a.csv")
    monkeypatch.setattr(drop, "advance", only_for("a-1-a1", KeyError("x"), loop.advance))
    assert front.drop("a.csv") == "a-1-a1"
    assert front.drop("a.csv") == "a-1-a1"


# -- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blob", "code"),
    [
        ("book.xlsx", "not-a-table"),
        ("table", "not-a-table"),
        ("a.yml", "misnamed-config"),
        ("a\x00\x1b[2J.csv", "unusable-name"),
        ("..\\..\\x.csv", "unusable-name"),
        ("a\ud800.csv", "unusable-name"),
        ("x" * 1020 + ".csv", "unusable-name"),
    ],
)
def test_what_is_no_table_is_told_once_where_people_look(front: Front, blob: str, code: str) -> None:
    front.put(blob, "x")
    front.sweep()
    assert front.drop(blob) is None
    front.sweep()
    (report,) = front.reports()
    assert report["problem"]["code"] == code
    assert report["text"].replace("\n", "").isprintable()
    assert "stays in incoming" in report["text"]
    told = [line for line in front.world.logged if line["what"] == "a file was not taken"]
    assert len(told) == 1
    for info in front.files.list("dropml-quarantine"):
        assert info.name.isascii()
        assert info.name.isprintable()
        assert ".." not in info.name.split("/")


@pytest.mark.parametrize(
    "blob", ["UPPER.CSV", "a//b.csv", "größe 🙂.csv", "שלום.csv", "a b .csv", "n" * 200 + ".csv"]
)
def test_unusual_names_are_datasets_like_others(front: Front, blob: str) -> None:
    front.put(blob)
    assert front.sweep() == 1
    assert set(front.states().values()) == {"deploying"}


# -- listings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Upstream("no XML", code="storage-error"), ValueError("not well-formed"), Transient("500")]
)
def test_a_name_that_breaks_the_listing_hides_no_other(
    front: Front, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    for name in ("a.csv", "m.csv", "z.csv"):
        front.put(name)
    whole = front.files.list

    def breaking(container: str, prefix: str = "", since: float | None = None) -> Any:
        for info in whole(container, prefix, since):
            if container == "incoming" and prefix == "" and info.name == "m.csv":
                raise fault
            yield info

    monkeypatch.setattr(front.files, "list", breaking)
    assert front.sweep() == 3
    assert front.world.docs.get("sweep.json") is None, "it is looked at again"


def test_while_storage_is_away_the_sweep_waits(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def away(container: str, prefix: str = "", since: float | None = None) -> Any:
        calls.append(prefix)
        raise Transient("away")

    monkeypatch.setattr(front.files, "list", away)
    assert front.sweep() == 0
    assert calls[0] == ""
    assert len(calls) == 3, "two more, to tell an outage from a name that breaks the listing"


def test_a_configuration_is_read_no_further_than_it_may_be_long(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.put("a.csv")
    front.put("a.yaml", "#" * (8 << 20))
    read: list[int] = []
    stream = front.files.stream

    def counted(container: str, name: str, etag: str | None = None, chunk: int = 1 << 22) -> Any:
        for piece in stream(container, name, etag, chunk):
            if name == "a.yaml":
                read.append(len(piece))
            yield piece

    monkeypatch.setattr(front.files, "stream", counted)
    assert front.problem(front.drop("a.csv")).where["file"] == "a.yaml"
    assert sum(read) <= 2 * (MAX_SIDECAR + 1)
