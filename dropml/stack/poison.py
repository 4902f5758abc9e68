"""Files whose function failed at every try: their messages lie in the poison queue, a week long."""

from __future__ import annotations

import json
from base64 import b64decode

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

QUEUE = "webjobs-blobtrigger-poison"
SHOWN = 10


def told(storage: str) -> list[str]:
    """Lines that say how many there are, and which the oldest are about."""
    try:
        with QueueServiceClient.from_connection_string(
            storage, connection_timeout=3, read_timeout=5, retry_total=0
        ) as service:
            queue = service.get_queue_client(QUEUE)
            count = int(queue.get_queue_properties().approximate_message_count or 0)
            files = [_file(message.content) for message in queue.peek_messages(SHOWN)] if count else []
    except ResourceNotFoundError:
        return ["  failed files   none"]
    except AzureError as error:
        return [f"  failed files   unknown, storage does not answer ({type(error).__name__})"]
    if not count:
        return ["  failed files   none"]
    more = [f"    ... and {count - len(files)} more"] if count > len(files) else []
    heading = f"  failed files   {count} ended in `{QUEUE}` after every try; the host's log says why"
    return [heading, *(f"    {file}" for file in files), *more]


def _file(content: str) -> str:
    """Container and name of the blob, with what could steer a terminal shown instead of sent."""
    try:
        message = json.loads(b64decode(content))
        name = f"{message['ContainerName']}/{message['BlobName']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "(a message that is none of the host's)"
    return name if name.isprintable() else ascii(name)
