"""The azure-ai-ml SDK as the application uses it: imported at first use, bounded in time, its errors translated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.core import exceptions as core

from shared.adapters.arm import raise_for
from shared.adapters.identity import no_token
from shared.adapters.sdk_retries import BoundedRetries
from shared.adapters.tries import CONNECT, READ
from shared.domain.errors import Transient, Upstream
from shared.redaction import redact
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def ml_client(settings: Settings, credential: TokenCredential) -> Any:
    """The MLClient. Building it sends nothing."""
    from azure.ai.ml import MLClient

    return MLClient(
        credential,
        settings.azure_subscription_id,
        settings.azure_resource_group,
        settings.azureml_workspace,
        enable_telemetry=False,
        retry_policy=BoundedRetries(),
        connection_timeout=CONNECT,
        read_timeout=READ,
    )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The SDK's errors as the product's."""
    from azure.ai.ml.exceptions import MlException

    try:
        yield
    except core.HttpResponseError as error:
        if error.status_code is None:  # the credential's own
            raise no_token(error.message) from error
        raise_for(error.status_code, {"error": {"code": "", "message": _message(error)}}, what)
        raise Transient(f"{what}: {_message(error)}") from error
    except MlException as error:
        # The SDK itself refused: sending the same again would not help.
        raise Upstream(f"{what}: the SDK refuses it: {redact(str(error.message))}") from error
    except core.AzureError as error:
        raise Transient(
            f"{what}: the service can't be reached ({type(error).__name__}).",
            remedy="The next tick tries again.",
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        # Entities are made outside: what the SDK stumbles over here is an answer that is empty, cut off or a proxy's.
        raise Transient(
            f"{what}: the SDK can't make sense of the answer ({type(error).__name__}).",
            remedy="The next tick tries again.",
        ) from error


def _message(error: core.AzureError) -> str:
    return redact(str(error.message).splitlines()[0])[:500]
