"""The webhook that Event Grid calls for blob functions with `source="EventGrid"`.

No scan, no receipts and no check of the path pattern: each event becomes one message, so events told twice run twice.
"""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import unquote, urlsplit

from dropml.functions_host.bindings import HttpResult
from dropml.functions_host.blob_messages import BlobMessage, BlobQueue
from dropml.functions_host.requests import json_result, text_result

log = logging.getLogger("Host.Triggers.Blobs")

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


class EventGridWebhook:
    """Answers the subscription's handshake and turns its events into messages."""

    def __init__(self, queue: BlobQueue, path_style_account: str | None) -> None:
        self._queue = queue
        self._account = path_style_account  # an emulator's URLs carry the account as their first folder

    def answer(self, function_name: str, event_type: str, body: bytes) -> HttpResult:
        """Handle a POST for `functionName=Host.Functions.<name>`; 202 once every event is in the queue."""
        try:
            events = json.loads(body)
            events = events if isinstance(events, list) else [events]
            if event_type == "SubscriptionValidation":
                return json_result(200, {"validationResponse": _validation_code(events)})
            if event_type == "Unsubscribe":
                return text_result(202)
            if event_type != "Notification":
                return text_result(
                    400, "The header aeg-event-type must say SubscriptionValidation or Notification."
                )
            messages = [self._message(function_name, event) for event in events]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return text_result(400, f"Not an array of Event Grid blob events: {error!r}")
        for message in messages:
            sent = self._queue.enqueue(message)
            log.info("Event for blob '%s/%s' enqueued (MessageId=%s)", message.container, message.blob, sent)
        return text_result(202)

    def _message(self, function_name: str, event: dict[str, Any]) -> BlobMessage:
        data = event["data"]
        path = unquote(urlsplit(data["url"]).path).lstrip("/")
        if self._account and path.startswith(f"{self._account}/"):
            path = path.removeprefix(f"{self._account}/")
        container, slash, blob = path.partition("/")
        if not (slash and container and blob):
            raise ValueError(f"{data['url']!r} names no blob")
        blob_type = str(data.get("blobType", "BlockBlob"))
        return BlobMessage(function_name, container, blob, f'"{data["eTag"]}"', blob_type)


def _validation_code(events: list[dict[str, Any]]) -> str:
    for event in events:
        if event["eventType"] == VALIDATION:
            return str(event["data"]["validationCode"])
    raise ValueError(f"no {VALIDATION} among the events")
