"""The outbox is emptied over real HTTP: at least once and rarely twice, and no receiver holds up another."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dropml.azurite.node import find_node
from shared.adapters.webhooks import Webhooks
from shared.domain.documents import from_json
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.notify.deliveries import Delivery, Patience
from shared.domain.notify.notices import Notice, notice_id
from shared.domain.notify.payloads import EVENT_ID, SIGNATURE
from shared.domain.notify.receivers import Receiver
from shared.services.notify import showing
from shared.services.notify.outbox import Outbox
from shared.services.notify.poison import PoisonWatch
from shared.services.notify.ports import Poisoned, Posted
from shared.services.notify.sending import MOST, Plan, Sender, prune
from shared.services.notify.turn import Notifications
from tests.support.memory import Clock, Crash, CrashPoints, MemoryDocuments
from tests.support.memory_poison import MemoryPoison
from tests.support.scripted_http import Reply, Service, scripted

SECRET = "a long random text"
POISONED = Poisoned("m1", "incoming", "bank\x1b.csv", 5.0)
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")


def notice(name: str = "a", event: str = "rejected") -> Notice:
    return Notice(
        notice_id(name),
        event,
        1000.0 + len(name),
        "bank <&> *x*",
        f"Model {name} was <rejected> & sent home.",
        "See `it`.",
        "bank-4-a1",
        "some-code",
        "/api/dashboard/runs/bank-4-a1",
    )


class Office:
    """State, clock and one process that sends."""

    def __init__(self, *receivers: Receiver, tries: int = 3, timeout: float = 5.0) -> None:
        self.docs, self.clock = MemoryDocuments(), Clock()
        self.patience = Patience(tries, first=10.0, longest=100.0)
        self.timeout = timeout
        self.outbox = Outbox(self.docs, receivers, frozenset(), self.clock)
        self.logged: list[str] = []
        self.post: Any = Webhooks()
        self.sender = self.process()

    def process(self) -> Sender:
        plan = Plan(SECRET, "https://app.example.com", self.timeout, patience=self.patience)
        return Sender(self.outbox, self.post, plan, lambda: self.clock.now, self.log)

    def log(self, what: str, **fields: Any) -> None:
        self.logged.append(what)

    def turn(self, seconds: float = 0.0) -> int:
        self.clock.now += seconds
        return self.sender.turn()

    def kept(self, state: str) -> list[Delivery]:
        found = [self.docs.get(path) for path in self.docs.list(f"outbox/{state}/")]
        return [from_json(each[0], Delivery) for each in found if each]


def to(service: Service, form: str = "json") -> Receiver:
    return Receiver(form, f"{service.url}/hook?{form}")


def ids(service: Service) -> list[str]:
    return [headers[EVENT_ID] for headers in service.headers]


def genuine() -> Any:
    """The check that the page tells Python receivers to make."""
    made: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], made)  # noqa: S102 - our own page
    return made["genuine"]


def test_a_notice_reaches_each_receiver_in_its_form_and_signed() -> None:
    with scripted() as service:
        office = Office(to(service), to(service, "slack"), to(service, "teams"))
        office.outbox.put(notice())
        assert office.turn() == 3
        assert office.turn(1000) == 0
    bodies = {
        path.rpartition("?")[2]: json.loads(body)
        for path, body in zip(service.seen, service.bodies, strict=True)
    }
    plain, slack, teams = bodies["json"], bodies["slack"], bodies["teams"]
    assert plain["link"] == "https://app.example.com/api/dashboard/runs/bank-4-a1"
    assert (plain["event"], plain["version"], plain["id"]) == ("rejected", 1, notice().id)
    assert "&lt;rejected&gt; &amp; sent home" in slack["blocks"][0]["text"]["text"]
    assert slack["text"].startswith("Model rejected: bank &lt;&amp;&gt;")
    (attachment,) = teams["attachments"]
    assert (teams["type"], attachment["contentType"]) == (
        "message",
        "application/vnd.microsoft.card.adaptive",
    )
    assert attachment["content"]["type"] == "AdaptiveCard"
    assert r"\*x\*" in attachment["content"]["body"][0]["text"]
    assert attachment["content"]["actions"][0]["url"] == plain["link"]
    assert [each.receiver for each in office.kept("sent")] != []
    assert office.kept("pending") == office.kept("dead") == []


def test_the_signature_is_checked_as_the_page_tells() -> None:
    check = genuine()
    with scripted() as service:
        office = Office(to(service))
        office.clock.now = time.time()
        office.outbox.put(notice())
        office.turn()
    body, header = service.bodies[0], service.headers[0][SIGNATURE]
    assert check(body, header, SECRET)
    assert not check(body + b" ", header, SECRET)
    assert not check(body, header, "another")
    assert not check(body, header.replace("t=1", "t=2"), SECRET)
    assert not check(body, header, SECRET, tolerance=-1)


def test_the_signature_is_checked_by_node_as_the_page_tells(tmp_path: Path) -> None:
    with scripted() as service:
        office = Office(to(service))
        office.clock.now = time.time()
        office.outbox.put(notice())
        office.turn()
    script = tmp_path / "check.js"
    given = json.dumps([service.bodies[0].decode(), service.headers[0][SIGNATURE], SECRET])
    told = re.findall(r"```javascript\n(.*?)```", PAGE, re.DOTALL)[0]
    script.write_text(
        f"{told}\nconst [body, header, secret] = {given};\n"
        "console.log(genuine(body, header, secret), genuine(body + ' ', header, secret), genuine(body, header, 'x'));"
    )
    done = subprocess.run(
        [find_node().node, str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["true", "false", "false"]


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (Reply(500), "It answered 500."),
        (Reply(404), "It answered 404."),
        (
            Reply(302, headers={"Location": "http://127.0.0.1:1/elsewhere"}),
            "a redirect, which is not followed",
        ),
        (Reply(hang_up=True), "closed the connection without an answer"),
        (Reply(429, headers={"Retry-After": "60"}), "It answered 429."),
        (Reply(503, headers={"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}), "It answered 503."),
    ],
)
def test_what_is_not_taken_is_tried_again_with_the_same_id(reply: Reply, trouble: str) -> None:
    with scripted(reply) as service:
        office = Office(to(service))
        office.outbox.put(notice())
        assert office.turn() == 0
        (waiting,) = office.kept("pending")
        assert trouble in waiting.trouble
        assert waiting.tries == 1
        assert office.turn() == 0, "its pause isn't over"
        assert office.turn(70) == 1
    assert ids(service) == [notice().id] * 2
    assert len(service.seen) == 2, "no redirect was followed"


def test_a_receiver_that_asks_to_wait_is_not_asked_before() -> None:
    with scripted(Reply(429, headers={"Retry-After": "60"})) as service:
        office = Office(to(service))
        office.outbox.put(notice())
        office.turn()
        office.turn(50)
        assert len(service.seen) == 1
        assert office.turn(11) == 1


def test_a_hanging_receiver_costs_one_deadline_and_nobody_else_anything() -> None:
    release = threading.Event()

    def wait(url: str) -> Posted:
        release.wait(30)
        return Posted(0, "It gave no answer within 5 s.")

    with scripted() as service:
        good, bad = to(service), Receiver("json", "https://hanging.example.com/x")
        office = Office(good, bad)
        real = Webhooks()

        class Mixed:
            def __init__(self) -> None:
                self.asked: list[str] = []

            def post(self, url: str, body: bytes, headers: Any, timeout: float) -> Posted:
                self.asked.append(url)
                return wait(url) if url == bad.url else real.post(url, body, headers, timeout)

        office.post = mixed = Mixed()
        office.sender = office.process()
        for name in "abcde":
            office.outbox.put(notice(name))
        turn = threading.Thread(target=office.turn)
        turn.start()
        while len(service.seen) < 5:  # the good one gets all of it while the other hangs
            assert turn.is_alive()
            threading.Event().wait(0.01)
        release.set()
        turn.join(30)
        assert mixed.asked.count(bad.url) == 1, "once it gave no answer it is left alone"
        office.turn()
        assert mixed.asked.count(bad.url) == 1


def test_the_deadline_of_a_request_holds_for_one_that_hangs_and_one_that_drips() -> None:
    with scripted(usual=Reply(seconds=3)) as service:
        answer = Webhooks().post(f"{service.url}/x", b"{}", {}, 0.2)
    assert (answer.status, answer.trouble) == (0, "It gave no answer within 0.2 s.")
    with dripping() as url:
        answer = Webhooks().post(url, b"{}", {}, 0.5)
    assert (answer.status, answer.trouble) == (0, "It gave no answer within 0.5 s.")


def test_an_endless_answer_is_not_read() -> None:
    with scripted(usual=Reply(headers={"Content-Length": str(1 << 40)}, body=b"x" * 1000)) as service:
        assert Webhooks().post(f"{service.url}/x", b"{}", {}, 5).taken


def test_nobody_there_is_told_without_the_url() -> None:
    answer = Webhooks().post("http://127.0.0.1:1/secret-path", b"{}", {}, 1)
    assert (answer.status, answer.trouble) == (0, "No connection to it came about.")


def test_after_its_tries_it_is_dead_shown_and_told_to_the_others_and_can_be_sent_again() -> None:
    with scripted(usual=Reply(500)) as broken, scripted() as well:
        office = Office(to(broken), to(well))
        office.outbox.put(notice())
        for _ in range(5):
            office.turn(200)
        assert len(broken.seen) == 3
        assert ids(well)[0] == notice().id
        assert [headers["x-dropml-event"] for headers in well.headers] == ["rejected", "dead"]
        dead = showing.show(office.outbox, "dead", "50")
        (lost,) = dead.notifications
        assert (lost.tries, lost.trouble, dead.total) == (3, "It answered 500.", 1)
        assert "127.0.0.1" in lost.receiver
        assert "/hook" not in json.dumps([each.receiver for each in dead.notifications])
        broken.usual = Reply()
        assert showing.resend(office.outbox, lost.id).state == "pending"
        office.turn(1)
        assert office.kept("dead") == []
        assert ids(broken) == [notice().id] * 4
        assert "notification dead" in office.logged


def test_asking_for_what_is_not_there() -> None:
    office = Office()
    with pytest.raises(NotFound):
        showing.resend(office.outbox, "nothing")
    for state, limit in (("lost", "5"), ("dead", "0"), ("dead", "5000"), ("dead", "²")):
        with pytest.raises(InvalidInput):
            showing.show(office.outbox, state, limit)


def test_it_is_dead_after_a_day_however_few_its_tries() -> None:
    with scripted(usual=Reply(500)) as service:
        office = Office(to(service), tries=20)
        office.outbox.put(notice())
        office.turn(86401)
        assert [each.tries for each in office.kept("dead")] == [1]


def test_a_receiver_that_left_the_settings_gets_nothing() -> None:
    with scripted() as service:
        office = Office(to(service))
        office.outbox.put(notice())
        office.outbox = Outbox(
            office.docs, (Receiver("json", "https://x.example.com"),), frozenset(), office.clock
        )
        office.sender = office.process()
        office.turn()
        assert service.seen == []
        assert "no more in NOTIFY_WEBHOOKS" in office.kept("dead")[0].trouble


def test_two_hosts_at_once_send_it_once() -> None:
    with scripted() as service:
        office = Office(to(service))
        names = [f"n{i}" for i in range(20)]
        for name in names:
            office.outbox.put(notice(name))
        hosts = [office.process() for _ in range(2)]
        threads = [threading.Thread(target=host.turn) for host in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(ids(service)) == sorted(notice_id(name) for name in names)


def test_a_host_that_dies_between_any_two_effects_loses_nothing() -> None:
    with scripted() as service:
        counted = _dying(service, None)
        sent = []
        for point in range(2 * len(counted.seen)):
            service.headers.clear()
            points = _dying(service, point)
            assert points.die_at is None or point >= 2 * len(points.seen)
            assert set(ids(service)) == {notice().id}, point
            sent.append(len(service.headers))
        assert max(sent) == 2, "twice where it died before it could say so"
        assert sent.count(2) <= len(sent) // 2


def _dying(service: Service, die_at: int | None) -> CrashPoints:
    """Put and send, dying there once; then another process goes on."""
    office, points = Office(to(service)), CrashPoints()
    points.wrap(office.docs, ["create", "replace", "put", "delete"])
    office.post = points.wrap(Webhooks(), ["post"])
    points.die_at = die_at
    for _ in range(3):
        office.sender = office.process()
        office.sender.log = office.log
        try:
            office.outbox.put(notice())
            _in_this_thread(office.sender)
        except Crash:
            points.die_at = None
        office.clock.now += 100
    assert office.kept("pending") == []
    return points


def _in_this_thread(sender: Sender) -> None:
    """A turn whose death is this thread's."""
    receiver = sender.outbox.receivers[0]
    sender._to_one(receiver, receiver.name, sender._waiting(), float("inf"), [])


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    with scripted(Reply(500)) as service:
        office = Office(to(service))
        office.outbox.put(notice())
        office.turn()
        steady = office.clock.now + 100
        office.sender.steady = lambda: steady
        office.clock.now -= 86400
        assert office.sender.turn() == 1


def test_what_can_not_be_read_is_taken_away_and_the_rest_goes_out() -> None:
    with scripted() as service:
        office = Office(to(service))
        office.docs.create("outbox/pending/x.json", {"id": 5})
        office.outbox.put(notice())
        assert office.turn() == 1
        assert list(office.docs.list("outbox/pending/")) == []


def test_the_outbox_is_bounded() -> None:
    office = Office(Receiver("json", "https://x.example.com"))
    office.post = Refusing()
    office.sender = office.process()
    for index in range(MOST["pending"] + 30):
        office.outbox.put(notice(f"n{index}"))
    office.turn()
    assert len(office.kept("pending")) == MOST["pending"]
    assert {each.trouble for each in office.kept("dead")} == {"Too many notifications wait."}
    for path in office.docs.list("outbox/dead/"):
        office.docs.modified[path] = office.clock.now - 9 * 86400
    assert prune(office.outbox, 8) == 30
    assert office.kept("dead") == []


class Refusing:
    def post(self, *_: Any) -> Posted:
        return Posted(503)


def test_a_poisoned_file_is_told_once_however_often_it_is_seen() -> None:
    with scripted() as service:
        office, queue = Office(to(service)), MemoryPoison(POISONED)
        for _ in range(2):  # another process, too, finds that it was told
            watch = PoisonWatch(office.outbox, queue, lambda: office.clock.now)
            turn = Notifications(office.process(), watch, lambda: office.clock.now, 30.0)
            for _ in range(4):
                turn.turn()
                office.clock.now += 61
    assert queue.looks == 8
    (body,) = service.bodies
    assert "incoming/bank\ufffd.csv" in json.loads(body)["sentence"]


def test_without_receivers_storage_is_not_asked() -> None:
    office, queue = Office(), MemoryPoison(POISONED)
    office.docs.page = None  # type: ignore[assignment, method-assign]
    watch = PoisonWatch(office.outbox, queue, lambda: office.clock.now)
    Notifications(office.process(), watch, lambda: office.clock.now, 30.0).turn()
    assert queue.looks == 0


class dripping:  # noqa: N801 - a context
    """A server that sends one byte of an endless head now and then."""

    def __enter__(self) -> str:
        import socket

        self.listener = socket.create_server(("127.0.0.1", 0))
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/x"

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nx-long: ")
            while not self.over.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self.listener.close()
