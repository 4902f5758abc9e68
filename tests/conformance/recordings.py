"""The real service's recorded answers, and what ours lack of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.exchange import Exchange

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
#: Headers that say something; the others are the transport's.
HEADERS = (
    "Content-Type", "Location", "Azure-AsyncOperation", "x-ms-async-operation-timeout", "Retry-After", "ETag",
    "x-ms-response-type", "azureml-model-deployment",
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    file: str
    index: int
    document: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.file}#{self.index}"

    @property
    def operation(self) -> str | None:
        """The id of the operation that is polled."""
        found = re.search(r"/mfeOperation(?:sStatus|Results)/([^/?]+)", self.document["path_template"])
        return found.group(1) if found else None

    @property
    def begins(self) -> str | None:
        """The id of the operation that the answer names."""
        headers = {k.lower(): v for k, v in self.document["response_headers"].items()}
        found = re.search(
            r"(?:Status|Results)/([^/?]+)", headers.get("azure-asyncoperation", headers.get("location", ""))
        )
        return found.group(1) if found else None


def load(folder: Path) -> list[Recorded]:
    found = []
    for file in sorted(folder.glob("*.json")):
        for index, document in enumerate(json.loads(file.read_text())):
            found.append(Recorded(file.stem, index, document))
    return found


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "time" if _TIME.match(value) else "string"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "null"


def lacks(real: Any, ours: Any, path: str = "") -> list[str]:
    """`path: what` for every property of the real answer that ours lacks or has with another type."""
    if real is None:
        return []
    if _kind(real) != _kind(ours):
        return [f"{path or '.'}: {_kind(ours)}, recorded {_kind(real)}"]
    if isinstance(real, dict):
        found = []
        for key, value in real.items():
            below = f"{path}/{key}"
            found += [f"{below}: absent"] if key not in ours else lacks(value, ours[key], below)
        return found
    if isinstance(real, list) and real:
        return lacks(real[0], ours[0], f"{path}/*") if ours else [f"{path}/*: absent"]
    return []


def compare(recorded: Recorded, ours: Exchange) -> list[str]:
    """Every deviation of our exchange from the recorded one."""
    document = recorded.document
    found = []
    if document["status"] is not None and document["status"] != ours.status:
        found.append(f"status: {ours.status}, recorded {document['status']}")
    if document["status"] is not None:
        found += _headers(document["response_headers"], ours.headers)
    body = document["response_body"]
    if body is None or body == "":
        if ours.answer not in (None, "") and document["status"] is not None:
            found.append("body: there is one, recorded none")
        return found
    if isinstance(body, str):
        # Recorded as text: `null`, or a score's JSON.
        body = json.loads(body)
        if body is None:
            return found if ours.answer is None else [*found, "body: recorded null"]
    found += lacks(body, ours.answer, "body")
    return found + _words(body, ours.answer)


def _headers(real: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    have, want = ({k.lower(): v for k, v in h.items()} for h in (ours, real))
    found = []
    for name in HEADERS:
        key = name.lower()
        if key in want and key not in have:
            found.append(f"header {name}: absent")
        elif key not in want and key in have and name != "x-ms-response-type":
            found.append(f"header {name}: there is one, recorded none")
    if want.get("content-type") and have.get("content-type") != want["content-type"]:
        found.append(f"header Content-Type: {have.get('content-type')}, recorded {want['content-type']}")
    for name in ("x-ms-async-operation-timeout", "x-ms-response-type"):
        if name in want and have.get(name) not in (None, want[name]):
            found.append(f"header {name}: {have[name]}, recorded {want[name]}")
    return found


def _words(real: Any, ours: Any) -> list[str]:
    """Values that are the protocol's words: states, types, kinds, error codes."""
    if not isinstance(real, dict) or not isinstance(ours, dict):
        return []
    found = []
    for path in (
        ("status",), ("type",), ("kind",), ("error", "code"), ("properties", "provisioningState"),
        ("properties", "status"), ("properties", "authMode"), ("properties", "dataType"), ("properties", "stage"),
        ("properties", "jobType"), ("secretsType",), ("properties", "endpointComputeType"),
    ):  # fmt: skip
        left, right = _at(real, path), _at(ours, path)
        if isinstance(left, str) and left != right:
            found.append(f"body/{'/'.join(path)}: {right!r}, recorded {left!r}")
    if "percentComplete" in real and real.keys() != ours.keys():
        found.append(f"body: properties {sorted(ours)}, recorded {sorted(real)}")
    return found + _error_words(real, ours)


def _error_words(real: Any, ours: Any) -> list[str]:
    left, right = real.get("error"), ours.get("error")
    if not isinstance(left, dict) or not isinstance(right, dict):
        return []
    found = []
    codes = [[d["code"] for d in e.get("details") or []] for e in (left, right)]
    if codes[0] != codes[1]:
        found.append(f"body/error/details: codes {codes[1]}, recorded {codes[0]}")
    kinds = [[i["type"] for i in e.get("additionalInfo") or []] for e in (left, right)]
    if kinds[0] != kinds[1]:
        found.append(f"body/error/additionalInfo: {kinds[1]}, recorded {kinds[0]}")
    return found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value
