"""Signing in to the dashboard: who gets in, for how long, and which forms are believed."""

from __future__ import annotations

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from functions import dashboard as doors
from shared import bootstrap
from shared import settings as settings_module
from shared.services import bulkhead
from shared.services.bulkhead import Bulkhead
from shared.services.run import loop
from shared.ui.session import FRESH_SECONDS, SESSION_SECONDS, TICKET_SECONDS
from tests.support.guest import BASE, Guest, Seen, guest_of
from tests.support.intake_front import Front
from tests.support.scoring_support import body_of


@pytest.fixture
def house() -> Front:
    house = Front()
    house.put("people.csv")
    assert house.drop("people.csv") == "people-1-a1"
    for _ in range(30):
        loop.tick(house.world.context)
        house.world.clock.now += 60
    return house


@pytest.fixture
def guest(house: Front, monkeypatch: pytest.MonkeyPatch) -> Guest:
    return guest_of(house, monkeypatch)


def test_who_has_not_signed_in_sees_the_way_to_do_it_and_nothing_else(guest: Guest) -> None:
    for path in ("", "/runs/people-1-a1", "/datasets/people", "/nowhere", "/ask/runs/people-1-a1/cancel"):
        page = guest.page(path, status=401)
        assert "Sign in" in page.text
        assert "people" not in page.text
    (form,) = [attrs for tag, attrs in guest.page("/runs", 401).tags if tag == "form"]
    assert form["data-next"] == f"{BASE}/runs"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        f"{BASE}/\\evil",
        "/api/docs",
        f'{BASE}/"onload=x',
        f"{BASE}/../../evil",
        f"{BASE}/..",
        f"{BASE}/./runs",
        f"{BASE}/runs/.?x=1",
        f"{BASE}/%252E./%252e%252e/evil",
        f"{BASE}/.%252e",
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(guest: Guest, elsewhere: str) -> None:
    page = guest.get(f"/sign-in?next={elsewhere.replace('/', '%2F')}")
    (form,) = [attrs for tag, attrs in Seen(page.get_body().decode()).tags if tag == "form"]
    assert form["data-next"] == BASE


@pytest.mark.parametrize(
    "page", ["", "/runs", "/datasets/people?version=1", "/runs/..a/a..", "/why/...", "/x/%252E%252Ea"]
)
def test_after_signing_in_one_comes_to_the_page_that_was_asked_for(guest: Guest, page: str) -> None:
    seen = guest.get(
        f"/sign-in?next={BASE.replace('/', '%2F')}{page.replace('/', '%2F').replace('?', '%3F').replace('=', '%3D')}"
    )
    (form,) = [attrs for tag, attrs in Seen(seen.get_body().decode()).tags if tag == "form"]
    assert form["data-next"] == f"{BASE}{page.replace('%25', '%')}"


def test_a_key_opens_a_session_whose_cookie_no_script_reads(guest: Guest) -> None:
    guest.sign_in("Ada Lovelace")
    assert "Ada Lovelace" in guest.page().text
    answer = guest._send(doors.open_session, "POST", "/api/session", b'{"name": "Ada"}')
    cookie = answer.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Strict", "Path=/api", "Secure", f"Max-Age={SESSION_SECONDS}"):
        assert part in cookie.split("; ")
    assert body_of(answer)["name"] == "Ada"


@pytest.mark.parametrize("name", ["", "a\nb", "Zoë", "x" * 81, " Ada"])
def test_a_name_that_the_ledger_cannot_hold_is_refused_or_left_out(guest: Guest, name: str) -> None:
    answer = guest._send(doors.open_session, "POST", "/api/session", json.dumps({"name": name}).encode())
    assert (answer.status_code, body_of(answer)["name" if not name else "code"]) == (
        (400, "invalid-actor") if name else (200, "http")
    )


def test_a_session_ends(guest: Guest, house: Front) -> None:
    guest.sign_in()
    house.world.clock.now += SESSION_SECONDS - 10
    guest.page()
    house.world.clock.now += 20
    assert "Sign in" in guest.page(status=401).text


def test_a_forged_cookie_opens_nothing(guest: Guest) -> None:
    guest.sign_in("Ada")
    text, _, signature = guest.cookie.partition(".")
    payload = json.loads(base64.urlsafe_b64decode(text + "=="))
    other = base64.urlsafe_b64encode(json.dumps(payload | {"name": "Eve"}).encode()).decode().rstrip("=")
    for forged in (f"{other}.{signature}", text, f"{text}.", f".{signature}", "x", f"{text}.{signature}x"):
        guest.cookie = forged
        assert "Eve" not in guest.page(status=401).text


def test_strangers_at_the_pages_hold_no_place_of_those_who_have_a_key(
    guest: Guest, house: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any forged cookie makes the app ask storage for its secret; where that hangs, each call holds a worker."""
    workers, release, begun = Bulkhead(8, 0.5), threading.Event(), threading.Semaphore(0)
    monkeypatch.setattr(bootstrap, "workers", lambda: workers)
    monkeypatch.setattr(bulkhead, "PATIENCE", 0.05)

    def hangs(_path: str) -> None:
        begun.release()
        release.wait(30)

    monkeypatch.setattr(house.world.docs, "get", hangs)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(Guest(cookie="forged.cookie").get)
        assert begun.acquire(timeout=10)
        until = time.monotonic() + 10
        while workers.held < 4 and time.monotonic() < until:
            time.sleep(0.01)
        with workers.place("doors", "The app"):
            pass
        release.set()


def test_deleting_the_secret_signs_everyone_out(guest: Guest, house: Front) -> None:
    guest.sign_in()
    house.world.docs.delete("dashboard/secret.json")
    house.world.clock.now += FRESH_SECONDS + 1
    assert "Sign in" in guest.page(status=401).text
    guest.sign_in("Ada Lovelace")
    assert "Ada Lovelace" in guest.page().text


def test_signing_out_takes_the_cookie_away(guest: Guest) -> None:
    guest.sign_in()
    answer = guest.post("/sign-out", guest.page().fields())
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{BASE}/sign-in")
    assert guest.cookie == ""
    guest.page(status=401)


# -- tickets ------------------------------------------------------------------------------------------------------------


def enter(guest: Guest) -> str:
    url = str(body_of(guest.ticket())["url"])
    assert url.startswith(f"https://app.example{BASE}/enter?ticket=")
    return url.partition(BASE)[2]


def test_a_ticket_signs_in_once(guest: Guest) -> None:
    path = enter(guest)
    answer = guest.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (303, BASE)
    assert "Ada" in guest.page().text
    stranger = Guest()
    assert stranger.get(path).status_code == 401
    assert stranger.cookie == ""


def test_a_ticket_is_good_for_a_minute(guest: Guest, house: Front) -> None:
    path = enter(guest)
    house.world.clock.now += TICKET_SECONDS + 1
    assert guest.get(path).status_code == 401
    assert guest.cookie == ""


def test_tickets_are_kept_as_hashes_and_old_ones_go(guest: Guest, house: Front) -> None:
    word = enter(guest).partition("=")[2]
    (kept,) = house.world.docs.list("dashboard/tickets/")
    assert word not in kept
    assert word not in str(house.world.docs.get(kept))
    house.world.clock.now += TICKET_SECONDS + 1
    enter(guest)
    assert kept not in list(house.world.docs.list("dashboard/tickets/"))


@pytest.mark.parametrize("word", ["", "x", "../secret", "A" * 43, "A" * 2000])
def test_a_word_that_was_never_given_opens_nothing(guest: Guest, word: str) -> None:
    assert guest.get(f"/enter?ticket={word}").status_code == 401


# -- forms --------------------------------------------------------------------------------------------------------------


def test_what_is_done_stands_in_the_ledger_with_the_name_and_the_note(guest: Guest, house: Front) -> None:
    guest.sign_in("Ada Lovelace")
    answer = guest.press("/ask/datasets/people/pause", note="callers complain")
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        f"{BASE}/datasets/people?done=datasets.pause",
    )
    paused = house.world.store.find_dataset("people").paused
    assert paused is not None
    assert (paused.actor, paused.note) == ("Ada Lovelace", "callers complain")
    assert "Paused." in guest.page("/datasets/people?done=datasets.pause").text


def test_a_form_without_the_token_of_the_session_changes_nothing(guest: Guest, house: Front) -> None:
    guest.sign_in("Ada")
    fields = guest.page("/ask/datasets/people/pause").fields()
    other = Guest()
    other.sign_in("Ada")
    stolen = other.page("/ask/datasets/people/pause").fields()["token"]
    for token in ("", "x", "é", stolen):
        answer = guest.post("/ask/datasets/people/pause", fields | {"token": token})
        assert answer.status_code == 403
    assert house.world.store.find_dataset("people").paused is None


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "", "origin": "https://evil.example"},
        {"sec_fetch_site": "", "origin": "null"},
        {"sec_fetch_site": ""},
        {"sec_fetch_site": "cross-site", "origin": "https://app.example"},
    ],
)
def test_a_form_of_another_site_changes_nothing(guest: Guest, house: Front, headers: dict[str, str]) -> None:
    guest.sign_in()
    fields = guest.page("/ask/datasets/people/pause").fields()
    assert guest.post("/ask/datasets/people/pause", fields, **headers).status_code == 403
    assert house.world.store.find_dataset("people").paused is None


def test_an_older_browser_tells_its_origin(guest: Guest, house: Front) -> None:
    guest.sign_in()
    fields = guest.page("/ask/datasets/people/pause").fields()
    answer = guest.post("/ask/datasets/people/pause", fields, sec_fetch_site="", origin="https://app.example")
    assert answer.status_code == 303
    assert house.world.store.find_dataset("people").paused is not None


def test_looking_changes_nothing(guest: Guest, house: Front) -> None:
    """A link, an image, a prefetch: no act is done by a GET."""
    guest.sign_in()
    before = dict(house.world.docs.blobs)
    for path in (
        "/ask/datasets/people/pause",
        "/ask/datasets/people/rollback",
        "/ask/runs/people-1-a1/cancel",
    ):
        guest.page(path)
    assert dict(house.world.docs.blobs) == before


# -- Entra --------------------------------------------------------------------------------------------------------------

PRINCIPAL = {"x_ms_client_principal_name": "ada@example.com", "x_ms_client_principal_id": "7"}


def by_entra(monkeypatch: pytest.MonkeyPatch) -> None:
    now = replace(settings_module.read({}), dashboard_auth="entra")
    monkeypatch.setattr(doors, "settings", lambda: now)


def test_the_platforms_word_counts_where_it_stands_before_the_app(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_entra(monkeypatch)
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    assert "ada@example.com" in Seen(guest.get("", **PRINCIPAL).get_body().decode()).text
    assert guest.get("").status_code == 401


def test_elsewhere_anybody_could_write_those_headers(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert guest.get("", **PRINCIPAL).status_code == 401
    by_entra(monkeypatch)
    monkeypatch.delenv("WEBSITE_AUTH_ENABLED", raising=False)
    answer = guest.get("", **PRINCIPAL)
    assert answer.status_code == 401


def test_with_entra_no_key_opens_a_session(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    by_entra(monkeypatch)
    answer = guest.ticket()
    assert (answer.status_code, body_of(answer)["code"]) == (400, "sign-in-elsewhere")
