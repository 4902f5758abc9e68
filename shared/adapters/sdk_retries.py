"""How the Azure SDKs try again: as often and as long as everything else here does."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline.policies import RetryPolicy

from shared.adapters.tries import TRIES, Tries, retry_after


class BoundedRetries(RetryPolicy[Any, Any]):
    """The SDK's own policy, which would wait as long as a Retry-After says, held to `shared.adapters.tries`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"retry_total": TRIES, "retry_status": TRIES}))

    # The settings are the SDK's own, made anew for each call and handed from method to method.
    def configure_retries(self, options: Any) -> Any:
        return super().configure_retries(options) | {"tries": Tries("a call of the Azure SDK")}

    def increment(self, settings: Any, response: Any = None, error: Exception | None = None) -> bool:
        if not super().increment(settings, response=response, error=error):
            return False
        http = getattr(response, "http_response", None)
        why = type(error).__name__ if error else f"HTTP {http.status_code if http else '?'}"
        return bool(settings["tries"].again(why, retry_after(http.headers) if http else 0.0))

    def sleep(self, settings: Any, transport: Any, response: Any = None) -> None:
        """`increment` has waited."""
