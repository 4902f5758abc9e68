"""Addresses, keys and tokens of online endpoints over ARM's REST API (no SDK: this is on the scoring path).

https://learn.microsoft.com/rest/api/azureml/online-endpoints/list-keys and .../regenerate-keys
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from shared.adapters.arm import Arm
from shared.adapters.identity import AZUREML_SCOPE
from shared.adapters.resource import Resource
from shared.domain.errors import NotFound, Upstream
from shared.redaction import learn
from shared.services.scoring.keys import SLOTS, Slot

API = {"api-version": "2023-10-01"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


class EndpointKeys:
    """Implements `shared.services.scoring.keys.KeySource`."""

    def __init__(self, arm: Arm, workspace_id: str, credential: Any) -> None:
        self._arm = arm
        self._workspace = workspace_id
        self._credential = credential

    def keys(self, endpoint: str) -> tuple[str, str]:
        body = self._post(endpoint, "listKeys", f"listing the keys of endpoint {endpoint}")
        primary, secondary = (str((body or {}).get(f"{slot}Key") or "") for slot in SLOTS)
        if not primary and not secondary:
            raise Upstream(
                f"The endpoint {endpoint} has no keys.",
                remedy="It may use another auth mode than `key`; see the setting ENDPOINT_AUTH.",
                code="no-endpoint-keys",
            )
        learn(primary, secondary)
        return primary, secondary

    def token(self, endpoint: str) -> tuple[str, float]:
        """The app's own Azure AD token; azure.identity keeps and renews it."""
        access = self._credential.get_token(AZUREML_SCOPE)
        learn(str(access.token))
        return str(access.token), float(access.expires_on)

    def address(self, endpoint: str) -> str:
        """https://learn.microsoft.com/rest/api/azureml/online-endpoints/get. Plain http only where Azure itself says so."""
        what = f"reading the address of endpoint {endpoint}"
        found = Resource.of(self._arm.call("GET", self._url(endpoint), what, params=API))
        uri = found.text("scoringUri")
        parts = urlsplit(uri)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise Upstream(
                f"Azure gives no address for the endpoint {endpoint}.",
                remedy="Look at the endpoint's state in Azure ML; it has none while it is made.",
                code="no-endpoint-address",
            )
        return uri

    def begin_regenerate(self, endpoint: str, which: Slot) -> None:
        """A long-running operation in Azure. An endpoint takes one at a time (the regeneration of the other slot, a change
        of traffic) and answers 409 meanwhile.
        """
        order = {"keyType": which.capitalize(), "keyValue": None}
        self._post(
            endpoint, "regenerateKeys", f"regenerating the {which} key of endpoint {endpoint}", json=order
        )

    def _post(self, endpoint: str, action: str, what: str, json: Any = None) -> Any:
        return self._arm.call("POST", f"{self._url(endpoint)}/{action}", what, json=json, params=API)

    def _url(self, endpoint: str) -> str:
        """Raises NotFound for what can't be an endpoint's name: it would lead elsewhere."""
        if not _NAME.fullmatch(endpoint):
            raise NotFound(f"There is no endpoint {endpoint[:80]!a}.", code="unknown-endpoint")
        return f"{self._workspace}/onlineEndpoints/{endpoint}"
