"""Keys and tokens of online endpoints over ARM's REST API (no SDK: this is on the scoring path).

https://learn.microsoft.com/rest/api/azureml/online-endpoints/list-keys and .../regenerate-keys
"""

from __future__ import annotations

from typing import Any

from shared.adapters.arm import Arm
from shared.adapters.identity import AZUREML_SCOPE
from shared.domain.errors import Upstream
from shared.services.scoring.keys import SLOTS, Slot

API_VERSION = "2023-10-01"


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
        return primary, secondary

    def token(self, endpoint: str) -> tuple[str, float]:
        """The app's own Azure AD token; azure.identity keeps and renews it."""
        access = self._credential.get_token(AZUREML_SCOPE)
        return str(access.token), float(access.expires_on)

    def begin_regenerate(self, endpoint: str, which: Slot) -> None:
        """A long-running operation in Azure. An endpoint takes one at a time (the regeneration of the other slot, a change
        of traffic) and answers 409 meanwhile.
        """
        order = {"keyType": which.capitalize(), "keyValue": None}
        self._post(
            endpoint, "regenerateKeys", f"regenerating the {which} key of endpoint {endpoint}", json=order
        )

    def _post(self, endpoint: str, action: str, what: str, json: Any = None) -> Any:
        url = f"{self._workspace}/onlineEndpoints/{endpoint}/{action}"
        return self._arm.call("POST", url, what, json=json, params={"api-version": API_VERSION})
