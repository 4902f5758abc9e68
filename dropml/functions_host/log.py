"""One line per event on standard output, secrets masked."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterable, Mapping

from dropml.functions_host.context import current_function

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
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]")
MASK = "***"
_OWN_LIBRARIES = frozenset({"azure", "urllib3", "uvicorn", "asyncio", "msal"})


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
        line = line.replace("\r", "").replace("\n", "\\n")
        # A file's name, say, must not steer the terminal that shows the log.
        return line if line.isprintable() else _STEERING.sub(lambda found: ascii(found[0])[1:-1], line)

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
    handler.addFilter(LevelFilter({}))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)  # as the worker has it, whatever host.json says
    logging.getLogger("Host").setLevel(logging.DEBUG)
    return formatter


class LevelFilter(logging.Filter):
    """host.json's logging.logLevel, held against categories as the real host does: its own, `Function.<name>.User`.

    The app's Python loggers keep their levels: what they pass on has the category of the function that runs.
    """

    def __init__(self, levels: Mapping[str, str]) -> None:
        super().__init__()
        self._levels = {
            name.lower(): _LEVELS.get(level.lower(), logging.INFO) for name, level in levels.items()
        }
        self._known: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        function = current_function.get()
        if record.name.split(".", 1)[0] == "Host":
            return record.levelno >= self._level(record.name)
        if function is not None:
            return record.levelno >= self._level(f"Function.{function}.User")
        # The libraries of this host itself: in Azure it is written in another language and has none of them.
        own = record.name.split(".", 1)[0] in _OWN_LIBRARIES
        return record.levelno >= max(self._level("Worker"), logging.WARNING if own else 0)

    def _level(self, category: str) -> int:
        """The level of the longest prefix, whole words or not, that logLevel names; else its `default`."""
        found = self._known.get(category)
        if found is None:
            name = category.lower()
            named = [prefix for prefix in self._levels if prefix != "default" and name.startswith(prefix)]
            longest = max(named, key=len, default="default")
            found = self._known[category] = self._levels.get(longest, logging.INFO)
        return found


def filter_by(levels: Mapping[str, str]) -> None:
    """Let host.json's levels decide what is written, in this one place."""
    for handler in logging.getLogger().handlers:
        handler.filters[:] = [LevelFilter(levels)]


def secret_settings(settings: Mapping[str, str]) -> list[str]:
    """Values of the settings whose names say that they are secrets."""
    return [value for name, value in settings.items() if _SECRET_NAME.search(name)]
