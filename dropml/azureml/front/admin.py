"""What only the emulator has: its clock, the versions it was asked for, its health."""

from __future__ import annotations

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.clock import Clock, stamp
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body


class Admin:
    def __init__(self, context: Context, versions: Counter[tuple[str, str, str]]) -> None:
        self._c, self._versions = context, versions

    @staticmethod
    def _clock(clock: Clock) -> Response:
        return reply({"now": clock.now(), "utc": stamp(clock.now()), "frozen": clock.frozen})

    async def clock(self, _request: Request) -> Response:
        return self._clock(self._c.clock)

    async def set_clock(self, request: Request) -> Response:
        """`{"step": seconds}`, `{"freeze": true}` or `{"resume": true}`."""
        body = await json_body(request)
        try:
            if body.get("freeze"):
                self._c.clock.freeze()
            if "step" in body:
                self._c.clock.step(float(body["step"]))
            if body.get("resume"):
                self._c.clock.resume()
        except (TypeError, ValueError) as error:
            return reply({"message": str(error)}, 400)
        return self._clock(self._c.clock)

    async def versions(self, _request: Request) -> Response:
        """How often each route was asked for with which api-version since the start."""
        value = [
            {"method": m, "route": r, "apiVersion": v, "count": n}
            for (m, r, v), n in sorted(self._versions.items())
        ]
        return reply({"value": value})

    async def health(self, _request: Request) -> Response:
        s = self._c.settings
        return reply({"status": "ok", "workspace": s.workspace_id, "url": s.base_url})

    def routes(self) -> list[Route]:
        return [
            Route("/_emulator/clock", self.clock, methods=["GET"]),
            Route("/_emulator/clock", self.set_clock, methods=["POST"]),
            Route("/_emulator/api-versions", self.versions, methods=["GET"]),
            Route("/_emulator/health", self.health, methods=["GET"]),
            Route("/", self.health, methods=["GET"]),
        ]
