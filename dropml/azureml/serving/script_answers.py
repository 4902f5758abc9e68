"""What a scoring script is asked, and how its answers are passed on."""

from __future__ import annotations

from typing import Any

from dropml.azureml.serving import answers
from dropml.azureml.serving.messages import Request
from dropml.azureml.serving.script_process import Reply

#: The endpoint's key is none of a script's business; the rest is the connection's.
_KEPT_BACK = {"authorization", "connection", "content-length", "transfer-encoding", "expect", "host"}
#: What the front door sets itself.
_OWN = {
    "connection", "content-length", "transfer-encoding", "keep-alive", "server", "date", "x-request-id",
    "x-ms-request-id", "x-ms-client-request-id",
}  # fmt: skip


def question(request: Request, query: bytes, ids: tuple[bytes, bytes, bytes]) -> tuple[dict[str, Any], bytes]:
    """The request as its container gets it: the front door's request id among the caller's headers."""
    headers = {
        name: value.decode("latin-1")
        for key, value in request.headers.items()
        if (name := key.decode("latin-1")) not in _KEPT_BACK
    }
    headers["x-request-id"] = ids[0].decode("ascii")
    return {"method": request.method, "query": query.decode("latin-1"), "headers": headers}, request.body


def passed_on(reply: Reply) -> tuple[int, tuple[bytes, ...]]:
    """Status and header lines of the answer: whatever isn't 200 is the caller's 424, with its body as it is.

    https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints (HTTP status codes)
    """
    lines = tuple(
        f"{name}: {value}\r\n".encode("latin-1", "replace")
        for name, value in reply.headers
        if name.lower() not in _OWN
    )
    if reply.status == 200:
        return 200, lines
    return 424, (*lines, answers.model_error(b"model_error", reply.status))
