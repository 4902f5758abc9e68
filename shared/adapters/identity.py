"""The Azure credential: automated by default, a person at a shell where asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from shared.adapters.tries import CONNECT, READ
from shared.domain.errors import InvalidSetting, Transient

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

ARM_SCOPE = "https://management.azure.com/.default"
AZUREML_SCOPE = "https://ml.azure.com/.default"


def credential(kind: str = "default") -> TokenCredential:
    """`default` (managed identity, service principal, CLI), `interactive` or `device_code`.

    azure.identity caches tokens inside the credential, so one per process serves all.
    https://learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
    """
    from azure import identity

    from shared.adapters.sdk_retries import BoundedRetries

    kinds: dict[str, Callable[..., TokenCredential]] = {
        "default": _default,
        "interactive": identity.InteractiveBrowserCredential,
        "device_code": identity.DeviceCodeCredential,
    }
    if make := kinds.get(kind):
        return make(retry_policy_class=BoundedRetries, connection_timeout=CONNECT, read_timeout=READ)
    raise InvalidSetting(
        f"The setting CREDENTIAL is {kind!r}.",
        remedy="Use default, interactive or device_code.",
        field="CREDENTIAL",
    )


def _default(**options: Any) -> TokenCredential:
    """DefaultAzureCredential. Without an identity endpoint it asks the machine's own metadata service, whose credential
    takes no retry policy but its own: that one is made apart, after the service principal and before all others.
    """
    from azure import identity

    if {"IDENTITY_ENDPOINT", "MSI_ENDPOINT"} & set(os.environ):
        return identity.DefaultAzureCredential(**options)
    return identity.ChainedTokenCredential(
        identity.EnvironmentCredential(**options),
        identity.ManagedIdentityCredential(),
        identity.DefaultAzureCredential(
            exclude_environment_credential=True, exclude_managed_identity_credential=True, **options
        ),
    )


def no_token(message: str | None) -> Transient:
    """Azure AD or the machine's identity gave no token; it may in a moment, and it says what is set up wrongly."""
    reason = str(message).partition("\n")[0]
    return Transient(
        f"Azure gave no token: {reason}",
        remedy="Give the app a managed identity, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET.",
        code="no-azure-token",
    )
