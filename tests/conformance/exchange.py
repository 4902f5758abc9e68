"""One request and its answer, and how paths are told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

_WS = re.compile(
    r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+",
    re.IGNORECASE,
)
_OPERATION = re.compile(
    r"^/subscriptions/[^/]+/providers/Microsoft\.MachineLearningServices/locations/[^/]+/(\w+)/.+$",
    re.IGNORECASE,
)


@dataclass
class Exchange:
    method: str
    url: str
    request: Any
    status: int
    headers: Mapping[str, str]
    answer: Any
    source: str = ""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def api_version(self) -> str | None:
        return next(iter(parse_qs(urlsplit(self.url).query).get("api-version", [])), None)

    @property
    def route(self) -> str:
        """The path without names: `{ws}/jobs/{}`."""
        path = self.path
        if found := _OPERATION.match(path):
            return f"locations/{found.group(1)}/{{}}"
        prefix, rest = "", path
        if path.startswith(("/history/", "/mlflow/", "/pipelines/")):
            area, version, rest = path[1:].split("/", 2)
            prefix, rest = f"/{area}/{version}", f"/{rest}"
        if found := _WS.match(rest):
            rest = rest[found.end() :]
            # Collections and names take turns; MLflow's paths have no names.
            turns = not prefix.startswith("/mlflow")
            parts = ["{}" if turns and i % 2 else p for i, p in enumerate(rest.split("/")[1:])]
            return prefix + "{ws}" + "".join(f"/{p}" for p in parts)
        if path.startswith(("/batch/", "/_emulator/jobs/")):
            return re.sub(r"^(/batch|/_emulator/jobs)/[^/]+", r"\1/{}", path)
        return re.sub(r"^/subscriptions/.*/workspaces$", "workspaces", path)


def parsed(text: str | bytes | None) -> Any:
    """JSON where it is JSON, else the text; None for nothing."""
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text if isinstance(text, str) else text.decode("utf-8", "replace")
