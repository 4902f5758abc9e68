"""Faults that a test orders: a status, a delay, a hang, a dropped connection, a write whose answer is lost, a stale read.

A rule: `{"action", "method": regex, "path": regex, "count": n, "status", "body", "headers", "seconds", "chance", "seed"}`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dropml.azureml.core.arm import reply
from dropml.azureml.core.fields import json_body
from dropml.azureml.core.store import Doc

ACTIONS = ("status", "delay", "hang", "drop", "half_write", "truncate", "stale_read")
_HANG_SECONDS = 3600.0
_FLUSH_SECONDS = 0.1


@dataclass
class Rule:
    """`left` counts down; `kept` holds, for stale reads, the answers from before a write by path."""

    id: int
    action: str
    method: re.Pattern[str]
    path: re.Pattern[str]
    left: int
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    hits: int = 0
    chance: float = 1.0
    dice: random.Random = field(default_factory=random.Random)
    kept: dict[str, tuple[int, list[tuple[bytes, bytes]], bytes]] = field(default_factory=dict)

    def shape(self) -> Doc:
        return {
            "id": self.id,
            "action": self.action,
            "method": self.method.pattern,
            "path": self.path.pattern,
            "count": self.left,
            "status": self.status,
            "seconds": self.seconds,
            "hits": self.hits,
            "chance": self.chance,
        }


class Recorder:
    """Collects an answer instead of sending it."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 500, [], b""  # type: ignore[var-annotated]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers") or [])
        else:
            self.body += message.get("body", b"")

    @property
    def answer(self) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        return self.status, self.headers, self.body


class Faults:
    """The outermost middleware. `/_emulator/...` is never faulted."""

    def __init__(self) -> None:
        self._rules: dict[int, Rule] = {}
        self._ids = itertools.count(1)
        self.app: ASGIApp | None = None

    def wrap(self, app: ASGIApp) -> ASGIApp:
        self.app = app
        return self._call

    def _match(self, scope: Scope) -> Rule | None:
        target = scope["path"] + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        for rule in self._rules.values():
            # A stale read watches the writes of its path, too, whatever its method says.
            method = rule.action == "stale_read" or rule.method.fullmatch(scope["method"])
            if rule.left > 0 and method and rule.path.search(target) and rule.dice.random() < rule.chance:
                return rule
        return None

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        if scope["type"] != "http" or scope["path"].startswith("/_emulator/"):
            await self.app(scope, receive, send)
            return
        rule = self._match(scope)
        if rule is None:
            await self.app(scope, receive, send)
        elif rule.action == "stale_read":
            await self._stale(rule, scope, receive, send)
        else:
            rule.left, rule.hits = rule.left - 1, rule.hits + 1
            await self._strike(rule, scope, receive, send)

    async def _strike(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        if rule.action == "delay":
            await asyncio.sleep(rule.seconds)
            await self.app(scope, receive, send)
        elif rule.action == "hang":
            await asyncio.sleep(rule.seconds or _HANG_SECONDS)
            await _drop(receive)
        elif rule.action == "drop":
            await _drop(receive)
        elif rule.action == "half_write":
            # The write happens; its caller never learns.
            await self.app(scope, receive, Recorder())
            await _drop(receive)
        elif rule.action == "truncate":
            answer = Recorder()
            await self.app(scope, receive, answer)
            await _half(answer, receive, send)
        else:
            await _drain(receive)
            body = rule.body or {
                "error": {"code": "InjectedFault", "message": "A fault that a test ordered."}
            }
            await reply(body, rule.status, rule.headers)(scope, receive, send)

    async def _stale(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        """GETs answer as before the last write of the same path, `count` times."""
        assert self.app is not None
        path = scope["path"]
        if scope["method"] in ("PUT", "PATCH", "DELETE", "POST"):
            before = Recorder()
            reading = {**scope, "method": "GET"}
            await self.app(reading, _empty, before)
            rule.kept[path] = before.answer
            await self.app(scope, receive, send)
        elif scope["method"] == "GET" and path in rule.kept:
            rule.left, rule.hits = rule.left - 1, rule.hits + 1
            status, headers, body = rule.kept[path]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await self.app(scope, receive, send)

    # -- admin ---------------------------------------------------------------------------------------------

    async def show(self, _request: Request) -> Response:
        return reply({"value": [r.shape() for r in self._rules.values()]})

    async def add(self, request: Request) -> Response:
        given = await json_body(request)
        try:
            rule = Rule(
                next(self._ids),
                str(given["action"]),
                re.compile(given.get("method") or ".*"),
                re.compile(given.get("path") or ""),
                int(given.get("count", 1)),
                int(given.get("status", 500)),
                given.get("body"),
                {str(k): str(v) for k, v in (given.get("headers") or {}).items()},
                float(given.get("seconds", 0)),
                chance=float(given.get("chance", 1)),
                dice=random.Random(given.get("seed")),
            )
        except (KeyError, ValueError, TypeError, re.error) as error:
            return reply({"message": f"The rule is invalid: {error!r}"}, 400)
        if rule.action not in ACTIONS:
            return reply({"message": f"action must be one of {', '.join(ACTIONS)}"}, 400)
        self._rules[rule.id] = rule
        return reply(rule.shape(), 201)

    async def clear(self, request: Request) -> Response:
        wanted = request.path_params.get("rule")
        if wanted is None:
            self._rules.clear()
        else:
            self._rules.pop(wanted, None)
        return Response(None, 204)

    def routes(self) -> list[Route]:
        base = "/_emulator/faults"
        return [
            Route(base, self.show, methods=["GET"]),
            Route(base, self.add, methods=["POST"]),
            Route(base, self.clear, methods=["DELETE"]),
            Route(base + "/{rule:int}", self.clear, methods=["DELETE"]),
        ]


async def _empty() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _half(answer: Recorder, receive: Receive, send: Send) -> None:
    """All of the head, the first half of the body, and the end of the connection."""
    told = (b"content-length", b"%d" % len(answer.body))
    headers = [(k, v) for k, v in answer.headers if k.lower() != b"content-length"]
    await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, told]})
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await asyncio.sleep(_FLUSH_SECONDS)  # what was written is on its way before the connection is cut
    await _drop(receive)


async def _drop(receive: Receive) -> None:
    """Close the connection without an answer. uvicorn's receive belongs to the cycle that holds the transport."""
    cycle = getattr(receive, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is not None:
        transport.abort()
        # Otherwise uvicorn would log a missing answer: the cycle counts as disconnected.
        cycle.disconnected = True  # type: ignore[union-attr]
