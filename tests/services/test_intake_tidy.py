"""What grows with every file has an end: the oldest goes, what is in use stays."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import Transient
from shared.services.intake import staging, taking
from shared.services.intake.tidy import DEAD, EVERY
from tests.support.intake_front import Front
from tests.support.memory import Crash

DAYS = 86400.0


@pytest.fixture
def front() -> Front:
    return Front()


def test_old_reports_go_and_new_ones_stay(front: Front) -> None:
    front.put("old.xlsx", "x")
    front.sweep()
    front.files.put("dropml-quarantine", "people/people-1-a1/report.json", b"{}")
    assert front.tidy() == 0
    assert len(front.reports()) == 1
    front.world.clock.now += front.plan.quarantine_days * DAYS + EVERY
    assert front.tidy() == 3
    assert list(front.files.list("dropml-quarantine")) == []
    assert list(front.world.docs.list("notes/")) == []


def test_it_looks_once_a_day(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.tidy()
    monkeypatch.setattr(front.files, "list", None)
    assert front.tidy() == 0


def test_what_a_dead_upload_staged_goes_after_two_days(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = staging.stage

    def dying(*args: Any) -> Any:
        stage(*args)
        raise Crash("after staging")

    front.put("a.csv")
    with monkeypatch.context() as patch:
        patch.setattr(taking, "stage", dying)
        with pytest.raises(Crash):
            front.drop("a.csv")
    assert list(front.files.list("data"))
    front.tidy()
    assert list(front.files.list("data")), "it may still be tried again"
    front.world.clock.now += DEAD
    front.tidy()
    assert list(front.files.list("data")) == []
    assert list(front.world.docs.list("tries/")) == []


def test_what_a_run_took_stays_although_the_process_died_before_it_forgot_the_try(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.put("a.csv")
    with monkeypatch.context() as patch:
        patch.setattr(
            front.world.docs, "delete", lambda *_: (_ for _ in ()).throw(Crash("before forgetting"))
        )
        with pytest.raises(Crash):
            front.drop("a.csv")
    staged = sorted(info.name for info in front.files.list("data"))
    assert front.drop("a.csv") == "a-1-a1"
    front.world.clock.now += DEAD
    front.tidy()
    assert sorted(info.name for info in front.files.list("data")) == staged
    assert list(front.world.docs.list("tries/")) == []


def test_a_day_without_storage_is_made_up_for(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Transient("away")

    with monkeypatch.context() as patch:
        patch.setattr(front.files, "list", away)
        assert front.tidy() == 0
    assert front.world.docs.get("tidied.json") is None


def test_a_report_that_cannot_be_deleted_keeps_no_other(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        front.files.put("dropml-quarantine", f"people/{name}/report.json", b"{}")
    front.world.clock.now += front.plan.quarantine_days * DAYS + EVERY
    delete = front.files.delete

    def held(container: str, name: str) -> None:
        if "/a/" in name:
            raise Transient("There is a legal hold on it.")
        delete(container, name)

    monkeypatch.setattr(front.files, "delete", held)
    assert front.tidy() == 2
    assert [info.name for info in front.files.list("dropml-quarantine")] == ["people/a/report.json"]
