"""What a page says where there is nothing, where something is held, and where a word could be taken for another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.run.parts import Trial
from shared.domain.run.states import State
from shared.services.run import loop
from shared.ui import words
from tests.functions.test_dashboard import hurt
from tests.services.test_acts import in_canary
from tests.support.guest import BASE, HOST, Guest, guest_of
from tests.support.intake_front import Front

BOARD = (
    Trial("t0", "KNN", None, "Failed", None, {}),
    Trial("t1", "LightGBM", "MaxAbs", "Completed", 9.0, {"AUC_weighted": 0.8, "accuracy": 0.7}),
    Trial("t2", "RandomForest", "Scale", "Completed", 2.0, {"AUC_weighted": 0.9, "accuracy": 0.6}),
)


@pytest.fixture
def house() -> Front:
    """A canary is under way."""
    house = Front()
    house.world = in_canary()
    return house


def test_a_canary_of_a_paused_dataset_promises_no_time(house: Front, guest: Guest) -> None:
    assert "all of it in" in guest.page("/runs/bank-2-a1/rollout").text
    guest.press("/ask/datasets/bank/pause", note="month's end")
    house.world.clock.now += 500
    loop.tick(house.world.context)
    for part in ("", "/gate", "/rollout"):
        page = guest.page(f"/runs/bank-2-a1{part}")
        assert "Ada Lovelace paused bank" in page.text
        assert "“month's end”" in page.text
        assert "all of it in" not in page.text
    assert "paused" not in guest.page("/runs/bank-1-a1").text, "it is over, and answers"


def test_a_run_links_to_its_endpoint_once_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    house = Front()
    house.put("people.csv")
    house.drop("people.csv")
    guest = guest_of(house, monkeypatch)
    guest.sign_in()
    seen = {}
    for _ in range(40):
        page = guest.page("/runs/people-1-a1")
        links = [link.removeprefix(BASE) for link in page.links() if "/endpoints/" in link]
        for link in links:
            guest.page(link)
        if house.world.run("people-1-a1").placement:
            seen[bool(links)] = "not in service" in page.text
        loop.tick(house.world.context)
        house.world.clock.now += 60
    assert seen == {False: True, True: False}


def first_of(guest: Guest, order: str) -> list[str]:
    text = guest.page(f"/runs/bank-2-a1/leaderboard?{order}").text.partition("Status")[2]
    return sorted(("KNN", "LightGBM", "RandomForest"), key=text.index)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("", ["RandomForest", "LightGBM", "KNN"]),
        ("by=rank&order=desc", ["KNN", "LightGBM", "RandomForest"]),
        ("by=primary", ["LightGBM", "RandomForest", "KNN"]),
        ("by=primary&order=desc", ["RandomForest", "LightGBM", "KNN"]),
        ("by=seconds", ["RandomForest", "LightGBM", "KNN"]),
        ("by=seconds&order=desc", ["LightGBM", "RandomForest", "KNN"]),
    ],
)
def test_a_leaderboard_is_in_the_order_that_its_arrow_says(
    house: Front, guest: Guest, order: str, names: list[str]
) -> None:
    """What failed has no time and no metric, and is never the fastest or the worst."""
    hurt(house, "bank-2-a1", trials=BOARD)
    assert first_of(guest, order) == names
    heads = [
        attrs.get("aria-sort") for tag, attrs in guest.page("/runs/bank-2-a1/leaderboard").tags if tag == "th"
    ]
    assert heads[0] == "ascending"


def test_a_run_that_ended_untrained_expects_no_trials(house: Front, guest: Guest) -> None:
    hurt(house, "bank-2-a1", state=State.FAILED, trials=())
    page = guest.page("/runs/bank-2-a1/leaderboard")
    assert "on its way" not in page.text
    assert "It ended before a trial did." in page.text
    hurt(house, "bank-2-a1", state=State.TRAINING)
    assert "its trials appear here" in guest.page("/runs/bank-2-a1/leaderboard").text


def test_no_waiting_file_is_not_no_refused_file(guest: Guest) -> None:
    assert "Nothing was refused" in guest.page("/quarantine").text
    waiting = guest.page("/quarantine?decided=waiting").text
    assert "Nothing was refused" not in waiting
    assert "No file waits" in waiting


def test_the_command_to_sign_in_without_a_script_can_be_pasted() -> None:
    page = Guest().page("/sign-in")
    assert f"curl -X POST https://{HOST}/api/session/ticket" in page.text


def test_every_label_names_a_field(guest: Guest) -> None:
    for path in ("/runs", "/ask/datasets/bank/pause", "/ask/datasets/bank/threshold", "/sign-in"):
        tags = guest.page(path).tags
        ids = {attrs["id"] for _, attrs in tags if "id" in attrs}
        assert {attrs.get("for") for tag, attrs in tags if tag == "label"} <= ids, path


def test_an_act_that_failed_leads_back_to_its_question(guest: Guest) -> None:
    for said in ("half", "nan", "1e999", "-0.1"):
        fields = guest.page("/ask/datasets/bank/threshold").fields() | {"threshold": said}
        answer = guest.post("/ask/datasets/bank/threshold", fields)
        shown = answer.get_body().decode()
        assert answer.status_code == 400
        assert f'href="{BASE}/ask/datasets/bank/threshold"' in shown
        assert "it takes a number from 0 to 1" in shown


def test_the_next_version_is_dropped_with_the_label_of_the_last(house: Front, guest: Guest) -> None:
    run = house.world.run("bank-1-a1")
    house.world.store.change_dataset("bank", lambda found: replace(found, champion=None))
    for run_id in ("bank-1-a1", "bank-2-a1"):
        hurt(house, run_id, config=replace(run.config, label="churned"))
    assert "dropml drop bank.csv --label churned" in guest.page("/datasets/bank").text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0 %"),
        (0.0003, "< 0.1 %"),
        (0.001, "0.1 %"),
        (0.9999, "> 99.9 %"),
        (1.0, "100.0 %"),
        (None, "–"),
    ],
)
def test_a_few_errors_are_not_told_as_none(value: float | None, text: str) -> None:
    assert words.share(value) == text


@pytest.mark.parametrize(("n", "text"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials")])
def test_one_is_not_said_as_many(n: int, text: str) -> None:
    assert words.counted(n, "trial") == text
    assert words.counted(1, "entry", "entries") == "1 entry"


def test_a_regression_s_versions_are_compared_by_its_own_metric(house: Front, guest: Guest) -> None:
    error = "normalized_root_mean_squared_error"
    config = replace(house.world.run("bank-1-a1").config, task="regression", primary_metric=None)
    for run_id, value in (("bank-1-a1", 0.21), ("bank-2-a1", 0.17)):
        best = Trial("t", "LightGBM", None, "Completed", 1.0, {error: value, "r2_score": 0.8})
        hurt(house, run_id, config=config, best=best)
    page = guest.page("/datasets/bank")
    assert f"As a table Run {error} bank-1-a1 0.2100 bank-2-a1 0.1700" in page.text
    assert f"LightGBM {error} 0.1700" in guest.page("/runs").text


def test_versions_by_another_metric_stand_in_no_line_with_these(house: Front, guest: Guest) -> None:
    run = house.world.run("bank-2-a1")
    best = Trial("t", "LightGBM", None, "Completed", 1.0, {"accuracy": 0.7})
    hurt(house, "bank-2-a1", config=replace(run.config, primary_metric="accuracy"), best=best)
    assert "0.7000 accuracy, the one version that has it so far" in guest.page("/datasets/bank").text
    hurt(house, "bank-2-a1", best=replace(best, metrics={}))
    hurt(house, "bank-1-a1", best=replace(best, metrics={}))
    assert "No version has been trained yet" not in guest.page("/datasets/bank").text


@pytest.mark.parametrize("damaged", ["gate/bank-2-a1.json", "datasets/bank.json"])
def test_a_damaged_document_beside_a_run_hides_neither_its_story_nor_its_verdict(
    house: Front, guest: Guest, damaged: str
) -> None:
    house.world.docs.put(damaged, {"odd": 1})
    assert "Timeline" in guest.page("/runs/bank-2-a1").text
    gate = guest.page("/runs/bank-2-a1/gate").text
    assert "It passed" in gate
    assert ("can't be read any more" in gate) == damaged.startswith("gate/")
    assert "10 % of live traffic" in guest.page("/runs/bank-2-a1/rollout").text
