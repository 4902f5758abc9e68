"""HTTP: the dashboard's pages, what is done on them, and signing in to them."""

from __future__ import annotations

import functools
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

import azure.functions as func

from functions import pages, parameters
from functions.http import REQUEST_ID, answer, door, respond
from shared import bootstrap, dashboard
from shared.domain.errors import DropMLError, InvalidInput
from shared.redaction import redact
from shared.settings import settings

if TYPE_CHECKING:
    from shared.ui.desk import Desk
    from shared.ui.render import Page
    from shared.ui.session import Session

bp = func.Blueprint()  # type: ignore[no-untyped-call]
log = logging.getLogger(__name__)

API, BASE = "/api", "/api/dashboard"
#: Where somebody may want to go after signing in: a page of ours, and nothing that leads elsewhere, as `..` does in any spelling
#: that a browser knows (https://url.spec.whatwg.org/#double-dot-path-segment).
_DOTS = r"(?!(?:\.|%2[Ee]){1,2}(?:[/?]|\Z))"
_NEXT = re.compile(rf"/api/dashboard(?:/{_DOTS}[A-Za-z0-9._~%-]+)*/?(?:\?[A-Za-z0-9._~%=&-]*)?")
Handler = Callable[[func.HttpRequest], func.HttpResponse]


def _pages(handler: Handler) -> Handler:
    """A handler of people's pages: what is raised becomes a page that says what to do, or the way to sign in."""

    @functools.wraps(handler)
    def wrapped(req: func.HttpRequest) -> func.HttpResponse:
        request_id = parameters.request_id(req)
        try:
            parameters.check(req)
            # A place of strangers' own: whoever has a key is never kept waiting by those who have none.
            with bootstrap.workers().place("pages", "The dashboard"):
                response = handler(req)
        except DropMLError as error:
            response = _refused(req, error, request_id)
        except Exception:
            log.exception("unexpected error on a page, request %s", request_id)
            hidden = DropMLError("Something went wrong here.", remedy="The log has it under the request id.")
            response = _refused(req, hidden, request_id)
        response.headers.add(REQUEST_ID, request_id)
        return response

    return wrapped


@bp.route(route="dashboard/{*path}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@_pages
def dashboard_page(req: func.HttpRequest) -> func.HttpResponse:
    """A page, for somebody who has signed in; the files that pages load, and the page to sign in, for anybody."""
    path = req.route_params.get("path", "").strip("/")
    if path.startswith("static/"):
        return pages.static(path.removeprefix("static/"), parameters.header(req, "accept-encoding"))
    if path == "sign-in":
        return _sign_in_page(req, "")
    if path == "enter":
        return _enter(req)
    return _shown(req, path)


@bp.route(route="dashboard/{*path}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@_pages
def dashboard_act(req: func.HttpRequest) -> func.HttpResponse:
    """What a person does on a page; the browser is sent to where its result is."""
    from shared.ui import router
    from shared.ui.desk import Visit
    from shared.ui.session import cookie_header, same_origin

    same_origin(pages.lowered(req.headers))
    session = _session(req)
    said = pages.form(req)
    dashboard.sessions().check_form(session, said.pop("token", ""))
    path = req.route_params.get("path", "").strip("/")
    if path == "sign-out":
        gone = cookie_header("", secure=pages.secure(req), seconds=0)
        return _to(f"{BASE}/sign-in", {"Set-Cookie": gone})
    if path.startswith("show/"):  # asks and changes nothing, so its answer is a page
        return _rendered(
            req, router.show(path.removeprefix("show/"), _desk(req), Visit(session, said=said)), session
        )
    done = router.do(path, _desk(req), Visit(session, said=said))
    return _to(f"{BASE}{done.path}?done={done.said}")


@bp.route(route="session", methods=["POST"])
@door
def open_session(req: func.HttpRequest) -> func.HttpResponse:
    """A cookie for somebody who has a function key; the host has checked it."""
    from shared.ui.session import cookie_header

    name = _named(req)
    value = dashboard.sessions().open(name)
    shown = dashboard.sessions().view(value)
    return answer(shown, headers={"Set-Cookie": cookie_header(value, secure=pages.secure(req))})


@bp.route(route="session/ticket", methods=["POST"])
@door
def open_ticket(req: func.HttpRequest) -> func.HttpResponse:
    """An address that signs in once within a minute, for browsers that send no key."""
    word = dashboard.sessions().ticket(_named(req))
    return answer(dashboard.sessions().ticket_view(word, f"{pages.origin(req)}{BASE}/enter?ticket={word}"))


def _named(req: func.HttpRequest) -> str:
    """Who signs in: the body's `name`, else the header of the ledger's actor."""
    from shared.domain.rows import remarks

    if settings().dashboard_auth == "entra":
        raise InvalidInput(
            "People sign in to this dashboard with Entra ID alone.",
            remedy=f"Open {BASE}.",
            code="sign-in-elsewhere",
        )
    actor = parameters.actor(req)
    return remarks.parse(req.get_body(), ("name",)).get("name") or actor


def _desk(req: func.HttpRequest) -> Desk:
    from functions.openapi.document import VERSION
    from shared.ui.desk import Place

    now = settings()
    place = Place(f"{pages.origin(req)}{API}", now.incoming_container, now.dashboard_look_seconds)
    return dashboard.desk(place, VERSION)


def _session(req: func.HttpRequest) -> Session:
    """Who has signed in. Raises SignedOut.

    The platform's headers count only where its own authentication stands before the app: elsewhere callers could write them.
    https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
    """
    from shared.ui.session import SignedOut, cookie_of

    sessions = dashboard.sessions()
    if settings().dashboard_auth != "entra":
        return sessions.read(cookie_of(parameters.header(req, "cookie")))
    if os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() != "true":
        raise SignedOut(
            "DASHBOARD_AUTH is entra, and nothing here signs people in.",
            remedy="Turn on App Service authentication for the Function App, or set DASHBOARD_AUTH to key.",
        )
    name = parameters.header(req, "x-ms-client-principal-name")
    if not name or not parameters.header(req, "x-ms-client-principal-id"):
        raise SignedOut("You have not signed in with Entra ID.", remedy="Sign in.")
    return sessions.of_principal(name)


# -- answers ------------------------------------------------------------------------------------------------------------


def _shown(req: func.HttpRequest, path: str) -> func.HttpResponse:
    from shared.ui import router
    from shared.ui.desk import Visit
    from shared.ui.render import etag

    session = _session(req)
    said = dict(req.params)
    page = router.show(path, _desk(req), Visit(session, said=said))
    tag = etag(page, session.token, said.get("done", "")) if page.live else ""
    if tag and parameters.known(req)(tag):
        return respond(None, "text/html", 304, {**pages.PAGE_HEADERS, "ETag": tag})
    return _rendered(req, page, session, tag, router.said(said.get("done", "")))


def _rendered(
    req: func.HttpRequest, page: Page, session: Session | None, tag: str = "", done: str = ""
) -> func.HttpResponse:
    from shared.ui import render

    path = req.route_params.get("path", "").strip("/")
    head = path.partition("/")[0]
    query = "&".join(f"{quote(k)}={quote(v)}" for k, v in req.params.items() if k != "done")
    body = render.html(
        page,
        base=BASE,
        api=API,
        here=f"{BASE}/{quote(path)}".rstrip("/") + (f"?{query}" if query else ""),
        section=f"/{head}" if head in ("runs", "quarantine", "pipelines", "system") else "",
        session=session,
        now=time.time(),
        version=pages.version(),
        etag=tag,
        done=done,
    )
    return respond(body, "text/html", page.status, {**pages.PAGE_HEADERS, **({"ETag": tag} if tag else {})})


def _refused(req: func.HttpRequest, error: DropMLError, request_id: str) -> func.HttpResponse:
    """The error as a page; without a session, the page to sign in, and no word of what is behind it."""
    from shared.ui.render import Page
    from shared.ui.session import SignedOut

    if isinstance(error, SignedOut):
        if parameters.header(req, "hx-request"):
            return respond(None, "text/html", 401, {**pages.PAGE_HEADERS, "HX-Redirect": f"{BASE}/sign-in"})
        return _sign_in_page(req, error.message, 401)
    try:
        session: Session | None = _session(req)
    except DropMLError:
        session = None
    path = req.route_params.get("path", "").strip("/")
    values: dict[str, object] = {
        "message": redact(error.message),
        "remedy": error.remedy,
        "code": error.error_code,
        "request_id": request_id,
        "back": quote(path) if req.method == "POST" and path.startswith("ask/") else "",
    }
    title = {404: "Not found", 409: "Not as things stand", 403: "Refused"}.get(
        error.status, "That did not work"
    )
    return _rendered(req, Page("error.html", title, values, error.status), session)


def _sign_in_page(req: func.HttpRequest, message: str, status: int = 200) -> func.HttpResponse:
    from shared.ui.render import Page

    path = req.route_params.get("path", "").strip("/")
    wanted = req.params.get("next") or (f"{BASE}/{quote(path)}" if path not in ("sign-in", "enter") else BASE)
    target = wanted if _NEXT.fullmatch(wanted) else BASE
    first_visit = path != "enter" and not parameters.header(req, "cookie")
    values: dict[str, object] = {
        "message": "" if first_visit and settings().dashboard_auth != "entra" else message,
        "next": target,
        "origin": pages.origin(req),
        "entra": settings().dashboard_auth == "entra",
    }
    return _rendered(req, Page("sign_in.html", "Sign in", values, status), None)


def _enter(req: func.HttpRequest) -> func.HttpResponse:
    """A ticket's link: signed in, and on to the overview."""
    from shared.ui.session import cookie_header

    value = dashboard.sessions().enter(req.params.get("ticket") or "")
    return _to(BASE, {"Set-Cookie": cookie_header(value, secure=pages.secure(req))})


def _to(path: str, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    return respond(None, "text/html", 303, {**pages.PAGE_HEADERS, "Location": path, **(headers or {})})
