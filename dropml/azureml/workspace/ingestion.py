"""Application Insights ingestion: keeps what is sent and shows it.

https://learn.microsoft.com/azure/azure-monitor/app/api-custom-events-metrics
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import reply
from dropml.azureml.core.clock import Clock
from dropml.azureml.core.store import Doc, Store
from dropml.azureml.workspace.telemetry_rows import Row, TelemetryRows

log = logging.getLogger(__name__)
#: https://learn.microsoft.com/azure/azure-monitor/service-limits#application-insights
_ITEM_BYTES = 65_536
#: What a packed body may become: so much, and so many times its own size (telemetry packs 10 to 50 times).
_UNPACKED_BYTES, _SMALL_BYTES, _RATIO = 16 * 2**20, 2**20, 100
#: Envelopes of one body, and values of all of them: of two bytes each, Python makes objects of a hundred.
_ITEMS, _VALUES = 20_000, 1_000_000
_COLUMNS = ("type", "name", "operation_id", "role", "ikey")


class Telemetry:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._rows = TelemetryRows(store)

    async def track(self, request: Request) -> Response:
        """Envelopes as a JSON list, one object, or one object a line; gzip or plain."""
        raw = await request.body()
        packed = request.headers.get("content-encoding", "").lower() == "gzip"
        try:
            items = await asyncio.to_thread(lambda: parsed((unpacked(raw) if packed else raw).decode()))
        except TooMuchError as error:
            return _refused(413, str(error))
        except (zlib.error, ValueError, RecursionError) as error:
            return _refused(400, f"Invalid JSON: {error}")
        rows, errors = await asyncio.to_thread(_sorted, items, self._clock.now())
        if rows:
            await asyncio.to_thread(self._rows.keep, rows)
        status = 200 if not errors else 400 if not rows else 206
        return reply({"itemsReceived": len(items), "itemsAccepted": len(rows), "errors": errors}, status)

    async def show(self, request: Request) -> Response:
        """Newest first. Filters: type, name, operation_id, role, ikey, contains, after (an id); limit (200)."""
        query = request.query_params
        where, values = ["1=1"], []
        for column in _COLUMNS:
            if query.get(column):
                where.append(f"{column}=?")
                values.append(query[column])
        if query.get("contains"):
            where.append("instr(body, ?) > 0")
            values.append(query["contains"])
        try:
            if query.get("after"):
                where.append("id > ?")
                values.append(int(query["after"]))  # type: ignore[arg-type]
            limit = min(int(query.get("limit", 200)), 10_000)
        except ValueError:
            return reply({"message": "limit and after are whole numbers"}, 400)
        sql = f"SELECT id, received, body FROM telemetry WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"  # noqa: S608 - of our own words; values are bound
        rows = await asyncio.to_thread(self._store.execute, sql, (*values, limit))
        total = self._store.execute("SELECT count(*) FROM telemetry")[0][0]
        items = [{"id": i, "received": at, "item": json.loads(body)} for i, at, body in rows]
        return reply({"total": total, "items": items})

    async def forget(self, _request: Request) -> Response:
        await asyncio.to_thread(self._rows.forget)
        return Response(None, 204)

    def routes(self) -> list[Route]:
        return [
            Route("/v2.1/track", self.track, methods=["POST"]),
            Route("/v2/track", self.track, methods=["POST"]),
            Route("/_emulator/telemetry", self.show, methods=["GET"]),
            Route("/_emulator/telemetry", self.forget, methods=["DELETE"]),
        ]


class TooMuchError(Exception):
    """A body unpacks to more than any telemetry does."""


def unpacked(raw: bytes) -> bytes:
    """The content of a gzip body, bounded while it is unpacked. Raises TooMuchError, zlib.error."""
    most = min(_UNPACKED_BYTES, max(_SMALL_BYTES, _RATIO * len(raw)))
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    found = stream.decompress(raw, most + 1)
    if len(found) > most:
        raise TooMuchError(f"The body unpacks to more than {most} bytes.")
    if not stream.eof:
        raise zlib.error("the gzip stream is cut off")
    return found


def _refused(status: int, message: str) -> Response:
    refusal = {"index": 0, "statusCode": status, "message": message}
    return reply({"itemsReceived": 0, "itemsAccepted": 0, "errors": [refusal]}, status)


def parsed(text: str) -> list[Any]:
    """The envelopes. Raises TooMuchError, counted before anything is made of them, ValueError or RecursionError."""
    text = text.strip()
    values = sum(text.count(mark) for mark in ",[{\n")
    if values > _VALUES:
        raise TooMuchError(f"The body holds more than {_VALUES} values.")
    texts = [text] if text.startswith("[") else text.splitlines()
    found = [json.loads(line, parse_constant=str) for line in texts if line.strip()]
    items = list(found[0]) if text.startswith("[") else found
    if len(items) > _ITEMS:
        raise TooMuchError(f"The body holds more than {_ITEMS} items.")
    return items


def _sorted(items: list[Any], now: float) -> tuple[list[Row], list[Doc]]:
    """What can be kept, and what is wrong with the others."""
    rows: list[Row] = []
    errors: list[Doc] = []
    for index, item in enumerate(items):
        try:
            reason = _fault(item)
            if not reason:
                rows.append(_row(item, now))
        except Exception as error:  # one envelope of a shape that nobody foresaw; the others are kept
            log.exception("an envelope that can't be read")
            reason = f"Unreadable: {type(error).__name__}"
        if reason:
            errors.append({"index": index, "statusCode": 400, "message": reason})
    return rows, errors


def _row(item: Doc, now: float) -> Row:
    data, tags = item["data"], item.get("tags") or {}
    base = data.get("baseData") or {}
    name = base.get("name") or base.get("message")
    if not name and base.get("metrics"):
        name = base["metrics"][0].get("name")
    columns = (
        item["time"],
        data["baseType"],
        name,
        tags.get("ai.operation.id"),
        tags.get("ai.cloud.role"),
        item["iKey"],
    )
    return now, *map(_column, columns), json.dumps(item, separators=(",", ":"), allow_nan=False)


def _column(value: Any) -> str | None:
    """As the database takes it: anybody may send anything, and half a character is written nowhere."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()


def _fault(item: Any) -> str | None:
    if not isinstance(item, dict):
        return "Not an object"
    if not isinstance(item.get("data"), dict) or not item["data"].get("baseType"):
        return "Field 'data' on type 'Envelope' is required but missing or empty."
    if not item.get("iKey"):
        return "Field 'iKey' on type 'Envelope' is required but missing or empty."
    if len(json.dumps(item)) > _ITEM_BYTES:
        return f"Telemetry item is larger than {_ITEM_BYTES} bytes."
    if not item.get("time"):
        return "Field 'time' on type 'Envelope' is required but missing or empty."
    return None
