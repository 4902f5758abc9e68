"""Plain REST where the SDK costs too much or does too much: one ARM PUT, tracking reads, keys, batch invoke.

Error shape: https://github.com/microsoft/api-guidelines, `{"error": {"code", "message", "details"}}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from shared.adapters.identity import ARM_SCOPE, no_token
from shared.adapters.resource import mapping
from shared.adapters.tries import PASSING, Tries, retry_after
from shared.domain.errors import Conflict, NotFound, Transient, Upstream
from shared.redaction import redact

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

#: Methods that may be sent again when it is not known whether the first one was carried out.
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
#: Most pages of one listing.
MAX_PAGES = 1000
ROLE_REMEDY = (
    "Give the app's identity the role AzureML Data Scientist on the workspace, or another one that has "
    "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/listKeys/action and regenerateKeys/action, too."
)


def explain(status: int, body: Any) -> str:
    """The sentence inside an ARM error body, or its status."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error = body["error"]
        code = error.get("code", status)
        return f"({code}) {error.get('message', '')}".strip() if code else str(error.get("message", ""))
    return f"HTTP {status}"


def raise_for(status: int, body: Any, what: str) -> None:
    """Raise the product's error for an answer of 400 or more; `what` says what was tried."""
    if status < 400:
        return
    message = redact(f"{what}: {explain(status, body)}")
    if status in (401, 403):
        raise Upstream(message, remedy=ROLE_REMEDY, code="azure-refused")
    if status == 404:
        raise NotFound(message)
    if status in (409, 412):
        raise Conflict(message)
    if status in PASSING:
        raise Transient(message, remedy="The next tick tries again.")
    raise Upstream(message)


class Arm:
    """JSON over HTTP with a bearer token of the credential. Thread-safe.

    A call that is safe to repeat is repeated as `shared.adapters.tries` says; each call ends within its deadline.
    """

    def __init__(self, endpoint: str, credential: TokenCredential) -> None:
        self.endpoint = endpoint
        self._credential = credential
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(pool_maxsize=16))
        self._session.mount("http://", HTTPAdapter(pool_maxsize=16))

    def call(
        self,
        method: str,
        url: str,
        what: str,
        *,
        json: Any = None,
        params: dict[str, str] | None = None,
        scope: str = ARM_SCOPE,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The answer's JSON (None when empty). `url` may be a path below the ARM endpoint.

        A redirect is an error: the token goes to the address that was asked for and to no other.
        """
        full = url if "://" in url else f"{self.endpoint}{url}"
        auth = {"Authorization": f"Bearer {self._token(scope)}"}
        send = partial(
            self._session.request,
            method,
            full,
            json=json,
            params=params,
            headers=auth | (headers or {}),
            allow_redirects=False,
        )
        answer = _answer(send, what, repeatable=method in _REPEATABLE)
        if fault := half_written(answer, method):
            raise Transient(f"{what}: {fault}.", remedy="The next tick tries again.")
        try:
            body = answer.json() if answer.content else None
        except ValueError:
            body = None  # an error without a body of its own
        if 300 <= answer.status_code < 400:
            raise Upstream(
                f"{what}: the service answers with a redirect ({answer.status_code}), which is not followed."
            )
        raise_for(answer.status_code, body, what)
        return body

    def _token(self, scope: str) -> str:
        from azure.core.exceptions import ClientAuthenticationError

        try:
            return str(self._credential.get_token(scope).token)
        except ClientAuthenticationError as error:
            raise no_token(error.message) from error

    def find(self, url: str, what: str, params: dict[str, str] | None = None) -> Mapping[str, object] | None:
        """GET; None when there is no such resource."""
        try:
            return mapping(self.call("GET", url, what, params=params))
        except NotFound:
            return None

    def pages(self, url: str, what: str, params: dict[str, str], scope: str = ARM_SCOPE) -> Iterator[Any]:
        """The `value` of each page, followed by `nextLink` (ARM) or `continuationToken` (run history).

        A link leads to the host that was asked, for the token goes with it.
        """
        origin = _origin(self.endpoint if url.startswith("/") else url)
        page = self.call("GET", url, what, params=params, scope=scope)
        for _ in range(MAX_PAGES):
            if not isinstance(page, dict) or not isinstance(page.get("value") or [], list):
                raise Transient(
                    f"{what}: the answer is no page of a list.", remedy="The next tick tries again."
                )
            yield from page.get("value") or []
            if link := page.get("nextLink"):
                if _origin(str(link)) != origin:
                    raise Upstream(
                        f"{what}: the next page is said to be on another host, which gets no token."
                    )
                page = self.call("GET", link, what, scope=scope)
            elif token := page.get("continuationToken"):
                page = self.call("GET", url, what, params=params | {"$continuationToken": token}, scope=scope)
            else:
                return
        raise Upstream(f"{what}: there is no end after {MAX_PAGES} pages.")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port or {"https": 443, "http": 80}.get(parts.scheme)


def half_written(answer: requests.Response, method: str) -> str | None:
    """What is wrong with an answer that isn't the service's own, or isn't all of it; None where nothing is."""
    if answer.content.lstrip()[:1] == b"<":
        return f"something before the service answered, HTTP {answer.status_code} with a page"
    if answer.status_code >= 300:
        return None
    if not answer.content:
        return "the answer is empty" if (method, answer.status_code) == ("GET", 200) else None
    try:
        answer.json()
    except ValueError:
        return "the answer is cut off"
    except RecursionError:
        return "the answer is nested without end"
    return None


def _answer(send: Callable[..., requests.Response], what: str, *, repeatable: bool) -> requests.Response:
    """The first answer that another try would not change, or the last one. Raises Transient where none came."""
    tries = Tries(what)
    while True:
        try:
            answer = send(timeout=tries.timeout())
        except requests.RequestException as error:
            if (repeatable or _never_sent(error)) and tries.again(type(error).__name__):
                continue
            raise Transient(
                f"{what}: the service can't be reached ({type(error).__name__}).",
                remedy="The next tick tries again.",
            ) from error
        status = answer.status_code
        fault = half_written(answer, str(answer.request.method))
        # What the service was too busy for, it has not begun.
        passing = status == 429 or (repeatable and (status in PASSING or fault is not None))
        if not passing or not tries.again(fault or f"HTTP {status}", retry_after(answer.headers)):
            return answer


def _never_sent(error: requests.RequestException) -> bool:
    """No connection came about, so nothing can have been carried out."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
