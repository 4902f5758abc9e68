"""Shared access signatures that a client makes itself for one blob, with the account's key over the proxy's address.

https://learn.microsoft.com/rest/api/storageservices/create-service-sas
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote, urlencode

#: In the order in which they are signed; None is the blob's place.
_SIGNED = (
    "sp", "st", "se", None, "si", "sip", "spr", "sv", "sr", "snapshot", "ses", "rscc", "rscd", "rsce", "rscl", "rsct",
)  # fmt: skip


def reads_one_blob(query: str) -> bool:
    """Whether a query carries a signature for reading one blob, which has not ended."""
    told = dict(parse_qsl(query))
    try:
        ends = datetime.fromisoformat(told.get("se", ""))
    except ValueError:
        return False
    ends = ends if ends.tzinfo else ends.replace(tzinfo=UTC)
    return told.get("sr") == "b" and "r" in told.get("sp", "") and "sig" in told and ends > datetime.now(UTC)


def signed_by(keys: Iterable[str], account: str, path: str, query: str) -> bool:
    """Whether one of the keys made the signature for the blob at `/container/name` of what the client calls its account."""
    told = dict(parse_qsl(query))
    place = f"/blob/{account}{unquote(path)}"
    text = "\n".join(place if name is None else told.get(name, "") for name in _SIGNED)
    return any(hmac.compare_digest(_signature(key, text), told["sig"].encode()) for key in keys)


def _signature(key: str, text: str) -> bytes:
    try:
        secret = base64.b64decode(key)
    except binascii.Error:
        return b""
    return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def without_signature(query: str) -> str:
    """What else the query asks."""
    own = {name for name in _SIGNED if name and name != "snapshot"} | {"sig"}
    return urlencode([(name, value) for name, value in parse_qsl(query) if name not in own])
