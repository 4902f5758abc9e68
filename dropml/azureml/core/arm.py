"""Azure Resource Manager's manners: error shapes, answers, types, system data."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from dropml.azureml.core.clock import stamp
from dropml.azureml.core.config import PROVIDER
from dropml.azureml.core.store import Doc

USER = "emulator"


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
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
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
