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
from urllib.parse import quote, unquote, urlsplit

from shared.correlation import OPERATION

#: What stands in a secret's place.
HIDDEN = "***"
#: A shorter value is no secret, and would be found in ordinary words.
SHORTEST = 8
#: Values of keys and tokens remembered at most, the one met longest ago is forgotten first: keys that were rotated away
#: open nothing any more. What stands in the settings holds as long as the process, and is never forgotten.
MOST = 1000
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
_SECRET_SETTING = re.compile(
    r"(?i)(key|secret|token|password|passwd|_pwd|credentials?|_sas|identity_header)$"
)
_STRING_WITH_SECRET = re.compile(
    r"(?i)(?:accountkey|instrumentationkey|sharedaccesskey|sharedaccesssignature|sig|password)=([^;&\s]+)"
)

#: A URL's path and query of at least so many characters may be the secret in it (a chat's webhook); a short one is a word.
_LONG_PATH = 20

#: Those of the settings, and those met on the way, the one met last at the end.
_lasting: dict[str, None] = {}
_known: dict[str, None] = {}
_lock = threading.Lock()


def learn(*secrets: str) -> None:
    """Values that must not be shown from now on, in any form that a URL gives them."""
    with _lock:
        for secret in secrets:
            for form in _forms(secret):
                _known.pop(form, None)
                _known[form] = None
        while len(_known) > MOST:
            del _known[next(iter(_known))]


def learn_setting(*secrets: str) -> None:
    """As `learn`, of what stands in a setting: never forgotten, for settings are few and stay."""
    with _lock:
        _lasting.update(dict.fromkeys(form for secret in secrets for form in _forms(secret)))


def learn_url(url: str) -> None:
    """A setting that is a URL with a secret in it: libraries show its path and query alone, too."""
    parts = urlsplit(url)
    rest = f"{parts.path}?{parts.query}" if parts.query else parts.path
    learn_setting(url, *(each for each in (rest, parts.path) if len(each) >= _LONG_PATH))


def _forms(secret: str) -> list[str]:
    spelt = dict.fromkeys((secret, quote(secret, safe=""), unquote(secret)))
    return [form for form in spelt if len(form) >= SHORTEST]


def learn_environment(environ: Mapping[str, str]) -> None:
    """The secrets among the app's settings."""
    for name, value in environ.items():
        if _SECRET_SETTING.search(name):
            learn_setting(value.strip())
        learn_setting(*_STRING_WITH_SECRET.findall(value))


def redact(text: str) -> str:
    """The text without what is known to be secret, or looks like it."""
    for secret in (*tuple(_lasting), *tuple(_known)):
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
