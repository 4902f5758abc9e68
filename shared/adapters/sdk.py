"""The azure-ai-ml SDK as the application uses it: imported at first use, bounded in time, its errors translated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.core import exceptions as core
from azure.core.pipeline.policies import RetryPolicy

from shared.adapters.arm import raise_for
from shared.adapters.identity import no_token
from shared.adapters.tries import CONNECT, READ, TRIES, Tries, retry_after
from shared.domain.errors import Transient, Upstream
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


class BoundedRetries(RetryPolicy[Any, Any]):
    """The SDK's own policy, which would wait as long as a Retry-After says, held to `shared.adapters.tries`."""

    def __init__(self) -> None:
        super().__init__(retry_total=TRIES)

    # The settings are the SDK's own, made anew for each call and handed from method to method.
    def configure_retries(self, options: Any) -> Any:
        return super().configure_retries(options) | {"tries": Tries("azure-ai-ml")}

    def increment(self, settings: Any, response: Any = None, error: Exception | None = None) -> bool:
        if not super().increment(settings, response=response, error=error):
            return False
        http = getattr(response, "http_response", None)
        why = type(error).__name__ if error else f"HTTP {http.status_code if http else '?'}"
        return bool(settings["tries"].again(why, retry_after(http.headers) if http else 0.0))

    def sleep(self, settings: Any, transport: Any, response: Any = None) -> None:
        """`increment` has waited."""


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
        raise Upstream(f"{what}: the SDK refuses it: {error.message}") from error
    except core.AzureError as error:
        raise Transient(
            f"{what}: the service can't be reached ({type(error).__name__}).",
            remedy="The next tick tries again.",
        ) from error


def _message(error: core.AzureError) -> str:
    return str(error.message).splitlines()[0][:500]
