"""One line per event on standard output, secrets masked."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterable, Mapping

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}
# Where a secret sits in a line, whatever its value: connection strings, SAS, keys in a URL or header.
_PATTERNS = re.compile(
    r"(?i)((?:accountkey|sharedaccesskey|sharedaccesssignature)=|[?&](?:code|sig)=|x-functions-key['\"]?\s*[:=]\s*['\"]?)"
    r"[^;&\s'\"]+"
)
_HINTS = re.compile(r"(?i)(?:key|signature|code|sig)['\"]?\s*[=:]")
_SECRET_NAME = re.compile(r"(?i)(key|secret|password|token|connectionstring|connection_string)$")
MASK = "***"


class LineFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z LEVEL logger message`, a traceback folded into the same line."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: list[str] = []
        self._second = (0, "")  # the last second's stamp: most lines share it

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these values from now on, wherever they stand; short ones would mask ordinary words."""
        self._secrets = sorted({s for s in secrets if len(s) >= 8}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        second, stamp = self._second
        if second != int(record.created):
            second, stamp = (
                int(record.created),
                time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)),
            )
            self._second = (second, stamp)
        line = f"{stamp}.{int(record.msecs):03d}Z {record.levelname} {record.name} {self.mask(text)}"
        return line.replace("\r", "").replace("\n", "\\n")

    def mask(self, text: str) -> str:
        for secret in self._secrets:  # much faster than one pattern of them all
            if secret in text:
                text = text.replace(secret, MASK)
        if _HINTS.search(text):
            text = _PATTERNS.sub(rf"\1{MASK}", text)
        return text


def setup() -> LineFormatter:
    """Route all logging to standard output; returns the formatter, to be told the secrets later."""
    formatter = LineFormatter()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("azure", "urllib3", "uvicorn", "asyncio", "msal"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return formatter


def apply_levels(levels: Mapping[str, str]) -> None:
    """Set levels as host.json's logging.logLevel says: `default`, then categories."""
    for category, level in levels.items():
        name = None if category.lower() == "default" else category
        logging.getLogger(name).setLevel(_LEVELS.get(level.lower(), logging.INFO))


def secret_settings(settings: Mapping[str, str]) -> list[str]:
    """Values of the settings whose names say that they are secrets."""
    return [value for name, value in settings.items() if _SECRET_NAME.search(name)]
