"""Somebody at the dashboard without a browser: keeps the cookie, presses buttons, reads pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode

import azure.functions as func
import pytest

from functions import dashboard as doors
from shared import bootstrap, checkup, dashboard, front
from shared.adapters.endpoint import EndpointHttp
from shared.adapters.serving_directory import StoredServing
from shared.adapters.telemetry import NoTelemetry
from shared.services.bulkhead import Bulkhead
from shared.services.doctor import report
from shared.services.quarantine.deciding import Quarantine
from shared.services.run.pipeline_runs import PipelineRuns
from shared.services.run.profiles import Profiles
from shared.services.scoring.calling import EndpointCalls
from shared.services.scoring.endpoints import Endpoints
from shared.services.scoring.keys import KeyRing
from shared.services.ticks import Ticks
from shared.ui.desk import Settled
from shared.ui.session import Sessions
from tests.support.intake_front import Front
from tests.support.memory_pipelines import MemoryPipelines
from tests.support.scoring_support import Endpoint, call

HOST = "app.example"
BASE = "/api/dashboard"


class Seen(HTMLParser):
    """A page's tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def links(self) -> list[str]:
        return [attrs["href"] for tag, attrs in self.tags if tag == "a" and "href" in attrs]

    def fields(self) -> dict[str, str]:
        return {a["name"]: a.get("value", "") for tag, a in self.tags if tag == "input" and "name" in a}


@dataclass
class Guest:
    """A browser of one person. Redirects are not followed: `location` tells where they lead."""

    cookie: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"host": HOST, "sec-fetch-site": "same-origin"})

    def sign_in(self, name: str = "Ada Lovelace") -> None:
        sent = self._send(doors.open_session, "POST", "/api/session", f'{{"name": "{name}"}}'.encode())
        assert sent.status_code == 200, sent.get_body()

    def get(self, path: str = "", **headers: str) -> func.HttpResponse:
        return self._send(doors.dashboard_page, "GET", BASE + path, b"", headers)

    def page(self, path: str = "", status: int = 200) -> Seen:
        answer = self.get(path)
        assert answer.status_code == status, answer.get_body().decode()
        return Seen(answer.get_body().decode())

    def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> func.HttpResponse:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self._send(
            doors.dashboard_act, "POST", BASE + path, urlencode(fields or {}).encode(), kind | headers
        )

    def press(self, path: str, **said: str) -> func.HttpResponse:
        """Open the question, fill in its form, press its button."""
        return self.post(path, self.page(path).fields() | said)

    def ticket(self, name: str = "Ada") -> func.HttpResponse:
        return self._send(doors.open_ticket, "POST", "/api/session/ticket", f'{{"name": "{name}"}}'.encode())

    def _send(
        self, function: Any, method: str, url: str, body: bytes, headers: dict[str, str] | None = None
    ) -> func.HttpResponse:
        path, _, query = url.partition("?")
        sent = {
            "content-type": "application/json",
            **self.headers,
            **{n.replace("_", "-"): v for n, v in (headers or {}).items()},
        }
        if self.cookie:
            sent["cookie"] = f"other=1; dropml_session={self.cookie}"
        request = func.HttpRequest(
            method=method,
            url=f"https://{HOST}{url}",
            headers={name: value for name, value in sent.items() if value},
            params=dict(parse_qsl(query)),
            route_params={"path": path.removeprefix(BASE).lstrip("/")} if path.startswith(BASE) else {},
            body=body,
        )
        answer = call(function, request)
        kept = answer.headers.get("Set-Cookie")
        if kept:
            self.cookie = kept.partition(";")[0].partition("=")[2]
        return answer


def guest_of(house: Front, monkeypatch: pytest.MonkeyPatch) -> Guest:
    """A guest who has not signed in yet, at the dashboard of this house."""
    world = house.world
    profiles = Profiles(world.store, house.files, house.plan.data)
    pipelines = PipelineRuns(world.context, MemoryPipelines(world.azureml))
    calls = EndpointCalls(EndpointHttp(), KeyRing(Endpoint()))
    endpoints = Endpoints(StoredServing(world.docs), calls)
    sessions, settled = Sessions(world.docs, world.clock), Settled()
    for module, name, built in (
        (bootstrap, "context", lambda: world.context),
        (bootstrap, "store", lambda: world.store),
        (bootstrap, "documents", lambda: world.docs),
        (bootstrap, "telemetry", NoTelemetry),
        (bootstrap, "profiles", lambda: profiles),
        (bootstrap, "pipeline_runs", lambda: pipelines),
        (bootstrap, "workers", lambda: Bulkhead(8, 1.0)),
        (front, "quarantine", lambda: Quarantine(world.context, house.files, house.plan)),
        (dashboard, "sessions", lambda: sessions),
        (dashboard, "settled", lambda: settled),
        (checkup, "examine", lambda version: report.examine({"app": lambda: report.ok("app", version)})),
        (bootstrap, "endpoints", lambda: endpoints),
        (checkup, "ticks", lambda: Ticks(world.store, world.log)),
    ):
        monkeypatch.setattr(module, name, built)
    return Guest()
