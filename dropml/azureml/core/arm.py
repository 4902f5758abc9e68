"""Azure Resource Manager's manners: error shapes, envelopes, system data, pages."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from dropml.azureml.core.clock import stamp
from dropml.azureml.core.config import PROVIDER
from dropml.azureml.core.store import Doc, Store

USER = "emulator"
_PAGE = 100


@dataclass
class ArmError(Exception):
    """An answer in the service's error shape. `inner` are the nested codes of InnerError, outermost first."""

    status: int
    message: str
    code: str = "UserError"
    details: list[tuple[str, str]] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"({self.code}) {self.message}"

    def body(self, location: str, now: float) -> Doc:
        extra: list[Doc] = [
            {"type": "ComponentName", "info": {"value": "managementfrontend"}},
            {
                "type": "Correlation",
                "info": {"value": {"operation": secrets.token_hex(16), "request": secrets.token_hex(8)}},
            },
            {"type": "Environment", "info": {"value": location}},
            {"type": "Location", "info": {"value": location}},
            {"type": "Time", "info": {"value": stamp(now)}},
        ]
        nested: Doc | None = None
        for code in reversed(self.inner):
            nested = {"code": code, "innerError": nested}
        if nested:
            extra.append({"type": "InnerError", "info": {"value": nested}})
        details = [{"code": c, "message": m, "details": [], "additionalInfo": []} for c, m in self.details]
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "details": details,
                "additionalInfo": extra,
            }
        }


class GatewayError(ArmError):
    """An answer of Resource Manager itself, before the service: code and message, nothing else."""

    def body(self, location: str, now: float) -> Doc:
        return {"error": {"code": self.code, "message": self.message}}


class EmptyNotFoundError(ArmError):
    """404 with no body at all, as computes answer."""

    def __init__(self) -> None:
        super().__init__(404, "")


def not_found(message: str, *codes: str) -> ArmError:
    return ArmError(404, message, inner=list(codes or ("NotFound",)))


def bad_request(message: str, *codes: str) -> ArmError:
    return ArmError(400, message, inner=list(codes or ("BadArgument", "ArgumentInvalid")))


def conflict(message: str, *codes: str) -> ArmError:
    """HTTP 409: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints ."""
    return ArmError(409, message, inner=list(codes or ("Conflict",)))


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    kind = "error" if status >= 400 else "standard"
    return Response(
        text,
        status,
        {"x-ms-response-type": kind, **(headers or {})},
        media_type="application/json; charset=utf-8",
    )


def resource_type(*parts: str) -> str:
    return "/".join([f"{PROVIDER}/workspaces", *parts])


def system_data(doc: Doc, *, full: bool = True, kinds: bool = True) -> Doc:
    """createdAt..lastModifiedByType of a document's `created` and `modified`."""
    data = {"createdAt": stamp(doc["created"]), "createdBy": USER}
    if kinds:
        data["createdByType"] = "User"
    data["lastModifiedAt"] = stamp(doc["modified"])
    if full:
        data |= {"lastModifiedBy": USER, "lastModifiedByType": "User"}
    return data


def view_filter(request: Request) -> bool | None:
    """`listViewType` as the `archived` column: False, True, or None for both."""
    view = request.query_params.get("listViewType", "ActiveOnly").lower()
    return {"activeonly": False, "archivedonly": True}.get(view)


def page(
    request: Request,
    store: Store,
    kind: str,
    shape: Callable[[Doc], Doc],
    *,
    base_url: str,
    default_top: int = _PAGE,
    **where: Any,
) -> Doc:
    """One page of a collection, newest first; `nextLink` is absolute and only there if more follows."""
    query = dict(request.query_params)
    try:
        top = int(query.get("$top", default_top))
        token = query.get("$skipToken") or query.get("$skip")
        before = int(token) if token else None
    except ValueError:
        raise bad_request(
            "The values of $top and $skip must be those of a nextLink, or whole numbers."
        ) from None
    if top < 1:
        raise bad_request(f"$top must be 1 or more, not {top}.")
    rows = store.find(kind, before=before, limit=top + 1, **where)
    answer: Doc = {"value": [shape(body) for _, _, body in rows[:top]]}
    if len(rows) > top:
        query.pop("$skip", None)
        query["$skipToken"] = str(rows[top - 1][0])
        raw = request.scope.get("original_path", request.url.path)
        answer["nextLink"] = f"{base_url}{raw}?{urlencode(query, safe='$')}"
    return answer
