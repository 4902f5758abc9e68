"""Keys and tokens of online endpoints over ARM's REST API (no SDK: this is on the scoring path).

https://learn.microsoft.com/rest/api/azureml/online-endpoints/list-keys and .../regenerate-keys
"""

from __future__ import annotations

import time
from typing import Any

from shared.adapters.arm import Arm
from shared.adapters.identity import AZUREML_SCOPE
from shared.domain.errors import Conflict, Transient, Upstream
from shared.services.scoring.keys import SLOTS, Slot

API_VERSION = "2023-10-01"
#: How long a regenerated key may take to be listed.
REGENERATE_SECONDS = 90.0
#: Pauses between two looks double from the first to the second.
FIRST_PAUSE, MAX_PAUSE = 0.05, 5.0


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

    def regenerate(self, endpoint: str, which: Slot) -> tuple[str, str]:
        """A long-running operation in Azure: done when the slot lists another key than before.

        An endpoint takes one operation at a time: while another one runs (the regeneration of the other slot, a
        change of traffic) it answers 409, and this waits for it.
        """
        at = SLOTS.index(which)
        before = self.keys(endpoint)[at]
        until = time.monotonic() + REGENERATE_SECONDS
        self._begin(endpoint, which, until)
        pause = FIRST_PAUSE
        while time.monotonic() < until:
            keys = self.keys(endpoint)
            if keys[at] and keys[at] != before:
                return keys
            time.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)
        raise Transient(
            f"The new {which} key of endpoint {endpoint} is not listed after {REGENERATE_SECONDS:.0f} s.",
            remedy="Rotate again: at every point of a rotation one key works.",
        )

    def _begin(self, endpoint: str, which: Slot, until: float) -> None:
        what = f"regenerating the {which} key of endpoint {endpoint}"
        order = {"keyType": which.capitalize(), "keyValue": None}
        pause = FIRST_PAUSE
        while True:
            try:
                self._post(endpoint, "regenerateKeys", what, json=order)
            except Conflict:
                if time.monotonic() + pause >= until:
                    raise
                time.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)
            else:
                return

    def _post(self, endpoint: str, action: str, what: str, json: Any = None) -> Any:
        url = f"{self._workspace}/onlineEndpoints/{endpoint}/{action}"
        return self._arm.call("POST", url, what, json=json, params={"api-version": API_VERSION})
