"""Plain REST where the SDK costs too much or does too much: one ARM PUT, tracking reads, batch invoke.

Idempotent calls are retried with backoff inside a bounded time; every call has a timeout.
Error shape: https://github.com/microsoft/api-guidelines, `{"error": {"code", "message", "details"}}`.
"""

from __future__ import annotations

from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from shared.adapters.identity import ARM_SCOPE
from shared.domain.errors import Conflict, NotFound, Transient, Upstream

TIMEOUT = (5.0, 30.0)
RETRIES = Retry(
    total=4,
    backoff_factor=0.5,
    backoff_max=8,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=frozenset({"GET", "PUT"}),
    raise_on_status=False,
)


def explain(status: int, body: Any) -> str:
    """The sentence inside an ARM error body, or its status."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error = body["error"]
        return f"({error.get('code', status)}) {error.get('message', '')}".strip()
    return f"HTTP {status}"


def raise_for(status: int, body: Any, what: str) -> None:
    """Raise the product's error for an answer of 400 or more; `what` says what was tried."""
    if status < 400:
        return
    message = f"{what}: {explain(status, body)}"
    if status == 404:
        raise NotFound(message)
    if status in (409, 412):
        raise Conflict(message)
    if status in (408, 429) or status >= 500:
        raise Transient(message, remedy="The next tick tries again.")
    raise Upstream(message)


class Arm:
    """JSON over HTTP with a bearer token of the credential."""

    def __init__(self, endpoint: str, credential: Any) -> None:
        self.endpoint = endpoint
        self._credential = credential
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(max_retries=RETRIES, pool_maxsize=16))
        self._session.mount("http://", HTTPAdapter(max_retries=RETRIES, pool_maxsize=16))

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
        """The answer's JSON (None when empty). `url` may be a path below the ARM endpoint."""
        full = url if "://" in url else f"{self.endpoint}{url}"
        auth = {"Authorization": f"Bearer {self._token(scope)}"}
        try:
            answer = self._session.request(
                method, full, json=json, params=params, headers=auth | (headers or {}), timeout=TIMEOUT
            )
        except requests.RequestException as error:
            raise Transient(
                f"{what}: the service can't be reached ({type(error).__name__}).",
                remedy="The next tick tries again.",
            ) from error
        try:
            body = answer.json() if answer.content else None
        except ValueError:
            body = None
        raise_for(answer.status_code, body, what)
        return body

    def _token(self, scope: str) -> str:
        from azure.core.exceptions import ClientAuthenticationError

        try:
            return str(self._credential.get_token(scope).token)
        except ClientAuthenticationError as error:
            reason = str(error.message).splitlines()[0]
            raise Transient(
                f"Azure gave no token: {reason}",
                remedy="Give the app a managed identity, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET.",
                code="no-azure-token",
            ) from error

    def find(self, url: str, what: str, **kwargs: Any) -> dict[str, Any] | None:
        """GET; None when there is no such resource."""
        try:
            return cast("dict[str, Any]", self.call("GET", url, what, **kwargs))
        except NotFound:
            return None
