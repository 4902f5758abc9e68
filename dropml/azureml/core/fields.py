"""What a request brings: its body, names, enumerations, durations; each refused with a 400 that names the field."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request

from dropml.azureml.core.arm import GatewayError, bad_request
from dropml.azureml.core.numbers import finite
from dropml.azureml.core.store import Doc

#: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules and the specs' patterns
ASSET_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}$")
#: The service does not publish its limit; 50 takes the GUIDs that azure-ai-ml gives anonymous components.
VERSION_NAME = re.compile(r"^[a-zA-Z0-9\-_.]{1,50}$")
#: 3 to 32 characters, a letter first, letters, digits and dashes, no dash last:
#: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#azure-machine-learning-online-endpoints
ENDPOINT_NAME = re.compile(r"^[a-zA-Z][a-zA-Z0-9\-]{1,30}[a-zA-Z0-9]$")
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_DURATION = re.compile(rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?")
_UNITS = (7 * 86_400, 86_400, 3600, 60, 1)


async def json_body(request: Request) -> Doc:
    """The request's JSON object; the gateway's own 400 if it isn't one."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        found = json.loads(raw, parse_constant=finite, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise GatewayError(
            400,
            f"The request content was invalid and could not be deserialized: '{error}'.",
            "InvalidRequestContent",
        ) from None
    if not isinstance(found, dict):
        raise GatewayError(
            400,
            "The request content was invalid: an object was expected.",
            "InvalidRequestContent",
        )
    return found


def properties_of(body: Doc) -> Doc:
    """`properties` of a PUT, or the 400 that names it."""
    found = body.get("properties")
    if not isinstance(found, dict):
        raise bad_request("The request is invalid: the field 'properties' is required.")
    return found


def check_name(what: str, name: str, pattern: re.Pattern[str] = ASSET_NAME) -> None:
    if not pattern.match(name):
        raise bad_request(
            f"The {what} name '{name}' is invalid: it must match the regular expression {pattern.pattern}",
            "BadArgument",
            "ArgumentInvalid",
            "NameInvalid",
        )


def one_of(value: Any, allowed: tuple[str, ...], what: str) -> str:
    """The canonical spelling of an enum's value: compared without case and, for pipeline nodes, underscores."""
    for name in allowed:
        if name.lower().replace("_", "") == str(value).lower().replace("_", ""):
            return name
    raise bad_request(f"The value '{value}' of {what} is invalid: use one of {', '.join(allowed)}.")


def seconds(text: Any, what: str) -> float:
    """An ISO 8601 duration of weeks to seconds, in seconds; 400 names the field if it is none, or not above 0."""
    match = _DURATION.fullmatch(str(text))
    parts = [float((part or "0").replace(",", ".")) for part in match.groups()] if match else []
    if not match or str(text).endswith(("P", "T")):
        raise bad_request(f"The value '{text}' of {what} is no ISO 8601 duration such as PT1H.")
    found = sum(part * unit for part, unit in zip(parts, _UNITS, strict=True))
    if found <= 0:
        raise bad_request(f"The value '{text}' of {what} must be above 0.")
    return found
