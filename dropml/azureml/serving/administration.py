"""What the emulator asks an endpoint's process for: its state, and to read its settings again."""

import hmac
from collections.abc import Callable
from typing import Any

from dropml.azureml.serving import answers
from dropml.azureml.serving.messages import Answer, Request
from dropml.azureml.serving.settings import SettingsError


def administered(
    request: Request,
    path: bytes,
    secret: str,
    reload: Callable[[], None],
    state: Callable[[], dict[str, Any]],
) -> Answer:
    """`GET /_admin/status` and `POST /_admin/reload`, for whoever has the secret."""
    given = request.headers.get(b"x-admin-secret", b"")
    if not hmac.compare_digest(given, secret.encode()):
        return answers.json(403, {"message": "x-admin-secret is missing or wrong"})
    if path == b"/_admin/reload" and request.method == "POST":
        try:
            reload()
        except SettingsError as error:
            return answers.json(400, {"message": str(error)})
    elif path != b"/_admin/status" or request.method != "GET":
        return answers.json(404, {"message": "there is GET /_admin/status and POST /_admin/reload"})
    return answers.json(200, state())
