"""Who is notified: URLs of the owner's settings, each with the form that it takes. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

FORMATS = ("json", "slack", "teams")
#: Most receivers; each has a thread of its own while it is sent to.
MOST = 8
_ENTRY = re.compile(r"(?:(?P<format>[a-z]+)=)?(?P<url>https?://[!-~]+)")


@dataclass(frozen=True)
class Receiver:
    """`url` may hold a secret in path or query, and is shown nowhere; `name` stands for it."""

    format: str
    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """Its host, and eight characters that tell two at one host apart."""
        return f"{urlsplit(self.url).hostname}-{self.key}"

    @property
    def key(self) -> str:
        return hashlib.sha256(self.url.encode()).hexdigest()[:8]


def receivers(text: str) -> tuple[Receiver, ...]:
    """Raises ValueError, without the text, for what can't be taken."""
    found = tuple(dict.fromkeys(_receiver(entry) for entry in text.split()))
    if len(found) > MOST:
        raise ValueError("too many receivers")
    return found


def _receiver(entry: str) -> Receiver:
    read = _ENTRY.fullmatch(entry)
    if read is None or (read["format"] or "json") not in FORMATS:
        raise ValueError("no receiver")
    parts = urlsplit(read["url"])
    if not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError("no URL of a receiver")
    if parts.scheme != "https" and not _this_machine(parts.hostname):
        raise ValueError("https is due")
    if parts.port == 0:  # also raises for a port that is none
        raise ValueError("no port")
    return Receiver(read["format"] or "json", read["url"])


def _this_machine(host: str) -> bool:
    """By its address alone: what a name leads to can change."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
