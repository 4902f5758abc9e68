"""The signature of a storage request with the account's key, which older SDKs make from `listSecrets`.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

_SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


def signed_with(key: str, method: str, path: str, query: str, headers: Mapping[str, str]) -> bool:
    """Whether `Authorization: SharedKey ACCOUNT:SIGNATURE` is the key's signature of this request.

    `path` is the one that the client asked for, as it was encoded: the proxy's, not the account's. Header names are
    in lower case.
    """
    account, _, signature = headers.get("authorization", "").removeprefix("SharedKey ").rpartition(":")
    values = [headers.get(name, "") for name in _SIGNED]
    if values[2] == "0":
        values[2] = ""  # since version 2015-02-21 of the protocol
    own = sorted(
        (name, " ".join(value.split())) for name, value in headers.items() if name.startswith("x-ms-")
    )
    parameters: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters.setdefault(name.lower(), []).append(value)
    text = "\n".join([method, *values]) + "\n"
    text += "".join(f"{name}:{value}\n" for name, value in own)
    text += f"/{account}{path}"
    text += "".join(f"\n{name}:{','.join(sorted(found))}" for name, found in sorted(parameters.items()))
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(base64.b64encode(digest).decode(), signature)
