"""Calls of Azure's REST API against a real HTTP server: bounded, paced, and told apart."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from azure.core import PipelineClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.core.rest import HttpRequest, HttpResponse

from shared.adapters import tries
from shared.adapters.arm import Arm
from shared.adapters.identity import credential
from shared.adapters.sdk_retries import BoundedRetries
from shared.adapters.tries import TRIES, Tries, retry_after
from shared.domain.errors import Conflict, DropMLError, NotFound, Transient, Upstream
from tests.support.scripted_http import Reply, Service, scripted

BUSY = Reply(503)
AN_HOUR = {"Retry-After": "3600"}


class Credential:
    def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken("token", 4102444800)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "FIRST_PAUSE", 0.01)


def arm(service: Service) -> Arm:
    return Arm(service.url, Credential())


def failure(service: Service, method: str = "GET") -> DropMLError:
    with pytest.raises(DropMLError) as caught:
        arm(service).call(method, "/x", "read x")
    return caught.value


def test_what_may_pass_is_tried_again() -> None:
    with scripted(BUSY, Reply(429), Reply(500), usual=Reply(body=b'{"a": 1}')) as service:
        assert arm(service).call("GET", "/x", "read x") == {"a": 1}
        assert len(service.seen) == 4


def test_what_does_not_pass_ends_after_a_few_tries() -> None:
    with scripted(usual=BUSY) as service:
        assert isinstance(failure(service), Transient)
        assert len(service.seen) == TRIES


def test_a_wait_beyond_the_deadline_is_not_waited_for() -> None:
    """A Retry-After of an hour held the whole tick for hours: backoff_max doesn't cap it."""
    with scripted(usual=Reply(429, headers=AN_HOUR)) as service:
        assert isinstance(failure(service), Transient)
        assert len(service.seen) == 1


def test_a_wait_that_the_service_asks_for_is_kept() -> None:
    with scripted(Reply(429, headers={"Retry-After": "1"})) as service:
        now = datetime.now(UTC)
        arm(service).call("GET", "/x", "read x")
        assert datetime.now(UTC) - now >= timedelta(seconds=1)
        assert len(service.seen) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_role_is_a_refusal_that_names_it(status: int) -> None:
    body = json.dumps({"error": {"code": "AuthorizationFailed", "message": "no permission"}}).encode()
    with scripted(usual=Reply(status, body)) as service:
        error = failure(service)
        assert isinstance(error, Upstream)
        assert not isinstance(error, Transient)
        assert "AzureML Data Scientist" in error.remedy
        assert len(service.seen) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (409, Conflict), (412, Conflict), (400, Upstream), (501, Upstream)]
)
def test_other_answers_are_told_apart_and_not_tried_again(status: int, kind: type[DropMLError]) -> None:
    with scripted(usual=Reply(status)) as service:
        assert type(failure(service)) is kind
        assert len(service.seen) == 1


def test_what_may_have_been_carried_out_is_not_sent_again() -> None:
    with scripted(usual=BUSY) as service:
        assert isinstance(failure(service, "POST"), Transient)
        assert len(service.seen) == 1
    with scripted(usual=Reply(hang_up=True)) as service:
        assert isinstance(failure(service, "POST"), Transient)
        assert len(service.seen) == 1


def test_what_was_refused_for_want_of_room_is_sent_again() -> None:
    with scripted(Reply(429)) as service:
        assert arm(service).call("POST", "/x", "start x") == {}
        assert len(service.seen) == 2


def test_a_service_that_hangs_or_hangs_up_ends_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "READ", 0.1)
    with scripted(usual=Reply(seconds=0.5)) as service:
        assert isinstance(failure(service), Transient)
    with scripted(usual=Reply(hang_up=True)) as service:
        assert isinstance(failure(service), Transient)
        assert len(service.seen) == TRIES


def test_nobody_there_is_transient() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        nobody = Service(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert isinstance(failure(nobody), Transient)
        assert isinstance(failure(nobody, "POST"), Transient)


def test_a_credential_without_token_is_told_with_a_remedy() -> None:
    class Without:
        def get_token(self, *_: str, **__: object) -> AccessToken:
            raise ClientAuthenticationError(message="no identity\nand details")

    with pytest.raises(Transient, match="no identity") as caught:
        Arm("http://x", Without()).call("GET", "/x", "read x")
    assert "AZURE_CLIENT_ID" in caught.value.remedy


def test_pages_are_followed_to_their_end_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(values: list[int], token: str = "") -> Reply:
        return Reply(body=json.dumps({"value": values, "continuationToken": token}).encode())

    with scripted(page([1, 2], "t"), page([3])) as service:
        assert list(arm(service).pages("/x", "list x", {"v": "1"})) == [1, 2, 3]
        assert service.seen[1].endswith("%24continuationToken=t")
    monkeypatch.setattr("shared.adapters.arm.MAX_PAGES", 3)
    with scripted(usual=page([1], "again")) as service, pytest.raises(Upstream, match="no end"):
        list(arm(service).pages("/x", "list x", {}))


# -- the pacing itself


def test_all_tries_and_pauses_stay_inside_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "FIRST_PAUSE", 0.5)
    now = [0.0]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    call = Tries("x", clock=lambda: now[0], sleep=sleep)
    while call.again("HTTP 503"):
        now[0] += sum(call.timeout())
    assert now[0] <= tries.CALL_SECONDS
    assert all(0 < pause <= tries.MAX_PAUSE for pause in pauses)


def test_the_last_try_has_what_time_is_left() -> None:
    now = [0.0]
    call = Tries("x", clock=lambda: now[0], sleep=lambda _: None)
    now[0] = tries.CALL_SECONDS - 2
    assert call.timeout() == (1, 1)
    assert call.again("HTTP 503")
    now[0] = tries.CALL_SECONDS
    assert not call.again("HTTP 503")


def test_retry_after_in_both_its_forms() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after({"Retry-After": "2.5"}) == 2.5
    assert 25 < retry_after({"Retry-After": format_datetime(soon, usegmt=True)}) <= 30
    for nonsense in ("", "soon", "-5", "nan", "inf", "Mon, 01 Jan 99999999999 00:00:00 GMT"):
        assert retry_after({"Retry-After": nonsense}) == 0
    assert retry_after({}) == 0


# -- the SDK's pipeline


def test_the_sdk_is_held_to_the_same() -> None:
    for script, usual, status, calls in (
        ([], Reply(429, headers=AN_HOUR), 429, 1),
        ([], BUSY, 503, TRIES),
        ([BUSY], Reply(), 200, 2),
        ([], Reply(409, headers=AN_HOUR), 409, 1),
        ([], Reply(403), 403, 1),
    ):
        with scripted(*script, usual=usual) as service:
            client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
                service.url, policies=[BoundedRetries()]
            )
            with client:
                assert client.send_request(HttpRequest("GET", service.url)).status_code == status
            assert len(service.seen) == calls


def test_a_machine_without_an_identity_endpoint_has_credentials_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a shell, a service principal in CI: there the machine's own metadata service stands in the chain."""
    for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    made = credential()
    assert hasattr(made, "get_token")


def test_an_identity_that_asks_for_an_hour_s_wait_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(usual=Reply(429, headers=AN_HOUR)) as service:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{service.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "x")
        with pytest.raises(Transient, match="no token") as caught:
            Arm(service.url, credential()).call("GET", "/x", "read x")
        assert caught.value.error_code == "no-azure-token"
        assert len(service.seen) == 1


# -- a token stays with the host that was asked ------------------------------------------------------------------------


def test_a_redirect_is_no_way_to_a_token() -> None:
    with scripted() as elsewhere:
        redirects = Reply(307, headers={"Location": f"{elsewhere.url}/x"})
        with scripted(usual=redirects) as service:
            assert "redirect" in failure(service).message
        assert elsewhere.seen == []


def test_the_next_page_is_on_the_same_host() -> None:
    with scripted() as elsewhere, scripted() as service:
        for link in (f"{elsewhere.url}/x", "http://user@127.0.0.1:1/", "//other/x", f"{service.url}:99999/x"):
            page = json.dumps({"value": [1], "nextLink": link}).encode()
            service.script = [Reply(body=page)]
            pages = arm(service).pages("/x", "list x", {})
            assert next(pages) == 1
            with pytest.raises(Upstream, match="another host"):
                next(pages)
        assert elsewhere.seen == []
        more = json.dumps({"value": [1], "nextLink": f"{service.url}/x?page=2"}).encode()
        service.script = [Reply(body=more), Reply(body=b'{"value": [2]}')]
        assert list(arm(service).pages("/x", "list x", {})) == [1, 2]


# -- answers by halves

PAGE = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"


@pytest.mark.parametrize(
    "half",
    [
        Reply(body=b'{"properties": {"provisioningState": "Succ'),
        Reply(body=b""),
        Reply(body=PAGE, headers={"Content-Type": "text/html"}),
        Reply(404, PAGE, {"Content-Type": "text/html"}),
        Reply(403, PAGE, {"Content-Type": "text/html"}),
        Reply(body=b'{"a": 1', headers={"Content-Length": "900", "Connection": "close"}),
        Reply(body=b"[" * 100_000),
    ],
    ids=["cut off", "empty", "a proxy's", "a proxy's 404", "a proxy's 403", "closed half-way", "nested"],
)
def test_half_an_answer_is_asked_for_again_and_never_believed(half: Reply) -> None:
    with scripted(half, usual=Reply(body=b'{"a": 1}')) as service:
        assert arm(service).find("/x", "read x") == {"a": 1}
    with scripted(usual=half) as service:
        assert isinstance(failure(service), Transient)
        assert len(service.seen) == TRIES


def test_half_an_answer_to_what_may_not_be_sent_twice_is_told() -> None:
    with scripted(usual=Reply(body=b'{"na')) as service:
        assert isinstance(failure(service, "POST"), Transient)
        assert len(service.seen) == 1


def test_an_accepted_request_has_no_body_to_be_missed() -> None:
    with scripted(usual=Reply(202, b"")) as service:
        assert arm(service).call("DELETE", "/x", "delete x") is None


def test_a_page_that_is_no_page_is_transient() -> None:
    for body in (b"[]", b'{"value": 7}', b"null"):
        with scripted(usual=Reply(body=body)) as service, pytest.raises(Transient, match="no page"):
            list(arm(service).pages("/x", "list x", {}))
