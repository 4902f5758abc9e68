"""Who has signed in to the dashboard: a cookie that the app alone can write, tickets for one use, tokens for forms.

The secret lies in `dropml-state/dashboard/secret.json`; deleting it signs everyone out within `FRESH_SECONDS`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.domain.documents import InvalidDocument
from shared.domain.errors import Conflict, DropMLError, InvalidInput
from shared.services.documents import Documents

COOKIE = "dropml_session"
#: A session lasts a working day, a ticket as long as a person needs to follow a link (seconds).
SESSION_SECONDS, TICKET_SECONDS = 8 * 3600, 60
#: How long a process goes on with the secret that it has read.
FRESH_SECONDS = 5.0
_SECRET, _TICKETS = "dashboard/secret.json", "dashboard/tickets/"
_NAME = re.compile(r"[!-~]+(?: [!-~]+)*")
_TICKET = re.compile(r"[A-Za-z0-9_-]{43}")
MAX_NAME = 80


class SignedOut(DropMLError):
    """Nobody has signed in, or no longer: the page to do it is the answer."""

    code = "signed-out"
    status = 401


class Forged(DropMLError):
    """A form that no page of ours has sent."""

    code = "form-refused"
    status = 403


@dataclass(frozen=True)
class Session:
    """Who it is, until when (unix seconds), and what their forms carry."""

    name: str
    ends: float
    token: str


@dataclass(frozen=True)
class SessionView:
    """Who has signed in, and until when (unix seconds)."""

    name: str
    ends: float


@dataclass(frozen=True)
class TicketView:
    """An address that signs a browser in once, until `ends` (unix seconds)."""

    url: str
    ends: float


def checked_name(name: object) -> str:
    """A name for the ledger: visible ASCII and single blanks. Raises InvalidInput."""
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"The name must be of at most {MAX_NAME} visible ASCII characters and single blanks.",
            remedy="Write it without accents; it stands in the ledger beside what you do.",
            code="invalid-actor",
            field="name",
        )
    return name


class Sessions:
    """Makes and checks cookies, tickets and form tokens. Thread-safe; `clock` tells unix seconds."""

    def __init__(self, documents: Documents, clock: Callable[[], float]) -> None:
        self._documents, self._clock = documents, clock
        self._lock = threading.Lock()
        self._known: tuple[float, bytes] | None = None

    def open(self, name: str) -> str:
        """The cookie's value for somebody whom the host has let in."""
        payload = {"name": checked_name(name), "ends": round(self._clock()) + SESSION_SECONDS}
        text = _encoded(json.dumps(payload | {"id": secrets.token_urlsafe(9)}).encode())
        return f"{text}.{self._sign('session', text)}"

    def view(self, cookie: str) -> SessionView:
        """What a caller is told of a session just opened."""
        session = self.read(cookie)
        return SessionView(session.name, session.ends)

    def ticket_view(self, word: str, url: str) -> TicketView:
        return TicketView(url, round(self._clock() + TICKET_SECONDS, 3))

    def read(self, cookie: str) -> Session:
        """Raises SignedOut: none, a forged one, one whose time is over."""
        text, _, signature = cookie.partition(".")
        if not text or not hmac.compare_digest(signature.encode(), self._sign("session", text).encode()):
            raise _signed_out()
        payload = _payload(text)
        name, ends = payload.get("name"), payload.get("ends")
        if not isinstance(name, str) or not isinstance(ends, int) or ends <= self._clock():
            raise _signed_out()
        return Session(name, float(ends), self._sign("form", text))

    def of_principal(self, name: str) -> Session:
        """Of somebody whom the platform has signed in: their forms carry a token of that name."""
        plain = "".join(c if "!" <= c <= "~" else " " for c in name)
        named = " ".join(plain.split())[:MAX_NAME].strip()
        return Session(named or "somebody", 0.0, self._sign("form", f"principal:{name}"))

    def check_form(self, session: Session, token: str) -> None:
        """Raises Forged where the form carries another token than that of the session."""
        if not hmac.compare_digest(token.encode(), session.token.encode()):
            raise Forged(
                "The form is not one of this session.",
                remedy="Open the page again and press the button there.",
            )

    def ticket(self, name: str) -> str:
        """A word that opens a session once, within TICKET_SECONDS. Only its hash is kept."""
        word = secrets.token_urlsafe(32)
        document = {"name": checked_name(name), "ends": self._clock() + TICKET_SECONDS}
        self._documents.create(_ticket_path(word), document)
        self._sweep()
        return word

    def enter(self, word: str) -> str:
        """The cookie for a ticket. Raises SignedOut where it was used, is too old, or was never given."""
        found = self._documents.get(_ticket_path(word)) if _TICKET.fullmatch(word) else None
        if found is None:
            raise _signed_out("This link was used already, or was never given.")
        document, etag = found
        try:
            self._documents.delete(_ticket_path(word), etag)
        except Conflict as error:  # somebody else was faster with it
            raise _signed_out("This link was used already, or was never given.") from error
        if float(document["ends"]) <= self._clock():
            raise _signed_out("This link is older than a minute.")
        return self.open(str(document["name"]))

    def _sweep(self) -> None:
        """Tickets that nobody followed go when the next one is given."""
        entries, _ = self._documents.page(_TICKETS, 100)
        for entry in entries:
            found = self._documents.get(entry.path)
            if found and float(found[0].get("ends", 0)) <= self._clock():
                self._documents.delete(entry.path)

    def _sign(self, purpose: str, text: str) -> str:
        digest = hmac.new(self._secret(), f"{purpose}\x1f{text}".encode(), hashlib.sha256).digest()
        return _encoded(digest)

    def _secret(self) -> bytes:
        with self._lock:
            if self._known and 0 <= self._clock() - self._known[0] < FRESH_SECONDS:
                return self._known[1]
            found = self._documents.get(_SECRET)
            if found is None:
                with contextlib.suppress(Conflict):  # another process made it at the same time
                    self._documents.create(_SECRET, {"secret": secrets.token_hex(32)})
                found = self._documents.get(_SECRET)
            secret = str(found[0].get("secret") or "") if found else ""
            if len(secret) < 32:
                raise InvalidDocument(
                    "The dashboard's secret can't be read.",
                    remedy=f"Delete {_SECRET} in the state container; everybody signs in anew.",
                    code="dashboard-secret",
                )
            self._known = self._clock(), secret.encode()
            return self._known[1]


def same_origin(headers: Mapping[str, str]) -> None:
    """Raises Forged where a POST may come from another site; browsers that say nothing of it must send an Origin of ours."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site == "same-origin":
            return
    else:
        origin = headers.get("origin", "").partition("://")[2]
        if origin and origin == (headers.get("host") or ""):
            return
    raise Forged(
        "The form was sent from another site.", remedy="Open the dashboard itself and press the button there."
    )


def cookie_header(value: str, *, secure: bool, seconds: int = SESSION_SECONDS) -> str:
    """`Set-Cookie`; nought seconds take it away."""
    parts = [f"{COOKIE}={value}", "HttpOnly", "SameSite=Strict", "Path=/api", f"Max-Age={seconds}"]
    return "; ".join([*parts, "Secure"] if secure else parts)


def cookie_of(header: str) -> str:
    """Our cookie out of a Cookie header, empty where there is none."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _ticket_path(word: str) -> str:
    return f"{_TICKETS}{hashlib.sha256(word.encode()).hexdigest()[:40]}.json"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _payload(text: str) -> dict[str, object]:
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def _signed_out(message: str = "You have not signed in, or your session is over.") -> SignedOut:
    return SignedOut(message, remedy="Sign in on /api/dashboard/sign-in, or run `dropml open`.")
