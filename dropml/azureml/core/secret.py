"""What opens the emulator's own routes: a secret in `DATA/emulator.secret`, or a URL of one path signed with it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from dropml.azureml.core.config import Settings

FILE = "emulator.secret"
HEADER = "x-emulator-secret"


class Secret:
    """Given by the environment, or made at the first start; the file is its owner's alone."""

    def __init__(self, settings: Settings) -> None:
        path = settings.data / FILE
        known = path.read_text().strip() if path.is_file() else ""
        self._value = settings.secret or known or secrets.token_urlsafe(32)
        if self._value != known:
            _write(path, self._value)

    def opens(self, given: str | None) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest((given or "").encode(), self._value.encode())

    def signature(self, path: str) -> str:
        """For a URL that is handed out, as the service hands out signed URLs of logs."""
        return hmac.new(self._value.encode(), path.encode(), hashlib.sha256).hexdigest()

    def signed(self, path: str, signature: str | None) -> bool:
        return hmac.compare_digest((signature or "").encode(), self.signature(path).encode())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
