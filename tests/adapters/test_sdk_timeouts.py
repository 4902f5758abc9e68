"""Every client that the Azure ML SDK makes for itself is bounded in time, as everything else here is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from azure.core.credentials import AccessToken

from shared.adapters import tries
from shared.adapters.sdk import ml_client
from shared.settings import read

WORKSPACE = {
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_RESOURCE_GROUP": "g",
    "AZUREML_WORKSPACE": "w",
}
#: Validates templates remotely, which the product never asks for.
UNUSED = ("_preflight", "_preflight_operation")


class Credential:
    def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken("token", 4102444800)


def transports(thing: Any, seen: set[int], depth: int = 0) -> Iterator[Any]:
    """What sends, of every client below `thing`."""
    if depth > 5 or id(thing) in seen:
        return
    seen.add(id(thing))
    for name, value in list(getattr(thing, "__dict__", {}).items()):
        if name in UNUSED:
            continue
        if hasattr(value, "connection_config"):
            yield value
        elif type(value).__module__.startswith("azure."):
            yield from transports(value, seen, depth + 1)


def test_every_client_of_the_sdk_has_the_products_timeouts() -> None:
    client = ml_client(read(WORKSPACE), Credential())
    found = [transport.connection_config for transport in transports(client, set())]
    assert len(found) > 10
    assert {(config.timeout, config.read_timeout) for config in found} == {(tries.CONNECT, tries.READ)}
