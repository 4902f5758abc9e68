"""Secrets kept out of logs and telemetry: known values, and what looks like one.

Libraries put URLs, headers and connection strings into what they log and raise; nobody can check each line. So each log
record and each telemetry item goes through `redact`.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from shared.correlation import OPERATION

#: What stands in a secret's place.
HIDDEN = "***"
#: A shorter value is no secret, and would be found in ordinary words.
SHORTEST = 8
#: Values remembered at most; the oldest is forgotten first. Keys that were rotated away open nothing any more.
MOST = 500
_NAMED = (
    r"(?:account_?key|instrumentation_?key|shared_?access_?(?:key|signature)|(?:client_?)?secret|password|passwd|pwd"
    r"|(?:access|refresh)_token|api_?key|(?:primary|secondary)_?key|x-functions-key|x-identity-header|identity_header)"
)
#: Each with what a text must hold to be looked at.
_PATTERNS = (
    # in a query string or a connection string: sig=..., code=..., AccountKey=...
    ("=", re.compile(rf"(?i)((?:[?&;](?:sig|code|token|key)|\b{_NAMED})=)[^&;\s\"'<>]+")),
    # in JSON, a header or a dictionary: "primaryKey": "..."
    (":", re.compile(rf"(?i)(\b{_NAMED}[\"']?\s*:\s*[\"']?)[^\s\"',}}]+")),
    (" ", re.compile(r"(?i)(\b(?:bearer|sharedkey|sharedaccesssignature)\s+)[A-Za-z0-9._~+/=:-]{8,}")),
    ("@", re.compile(r"(://[^/\s:@]+:)[^/\s@]+(?=@)")),
)
#: Settings whose values are secret, and those whose value holds one as a part, such as a connection string.
_SECRET_SETTING = re.compile(r"(?i)(key|secret|token|password|identity_header)$")
_STRING_WITH_SECRET = re.compile(
    r"(?i)(?:accountkey|instrumentationkey|sharedaccesskey|sharedaccesssignature|sig|password)=([^;&\s]+)"
)

_known: dict[str, None] = {}
_lock = threading.Lock()


def learn(*secrets: str) -> None:
    """Values that must not be shown from now on, in any form that a URL gives them."""
    with _lock:
        for secret in secrets:
            for form in (secret, quote(secret, safe="")):
                if len(form) >= SHORTEST:
                    _known[form] = None
        while len(_known) > MOST:
            del _known[next(iter(_known))]


def learn_environment(environ: Mapping[str, str]) -> None:
    """The secrets among the app's settings."""
    for name, value in environ.items():
        if _SECRET_SETTING.search(name):
            learn(value.strip())
        learn(*_STRING_WITH_SECRET.findall(value))


def redact(text: str) -> str:
    """The text without what is known to be secret, or looks like it."""
    for secret in tuple(_known):
        if secret in text:
            text = text.replace(secret, HIDDEN)
    for hint, pattern in _PATTERNS:
        if hint in text:
            text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


class Redacted(logging.LogRecord):
    """A record that shows no secret, whichever handler formats it, and tells what operation it belongs to."""

    def getMessage(self) -> str:  # noqa: N802 - the library's name
        message = redact(super().getMessage())
        name = OPERATION.get()
        return message if not name or name in message else f"{message} [{name}]"


def install(environ: Mapping[str, str]) -> None:
    """Make every log record of the process a redacted one, its trace included."""
    learn_environment(environ)

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = Redacted(*args, **kwargs)
        if made.exc_info and made.exc_info[0] is not None:
            # a formatter takes a trace that is there already as it is
            made.exc_text = redact(logging.Formatter().formatException(made.exc_info))
        return made

    logging.setLogRecordFactory(record)
