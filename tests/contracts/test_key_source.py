"""Keys of endpoints: the stand-in of the scoring tests, and ARM as the emulator speaks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.adapters.arm import Arm
from shared.adapters.endpoint_keys import EndpointKeys
from shared.adapters.identity import credential
from shared.domain.errors import Conflict, NotFound
from shared.services.scoring.keys import KeySource
from tests.contracts.key_source import ENDPOINT, KeySourceContract
from tests.support.emulator_support import WS, Emulator, emulator, sdk_environment
from tests.support.scoring_support import Endpoint


class TestScriptedKeys(KeySourceContract):
    @pytest.fixture
    def source(self) -> KeySource:
        return Endpoint("http://127.0.0.1:1")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    options = ("--operation-seconds", "0.1")
    with emulator(tmp_path_factory.mktemp("keys"), None, *options) as found, sdk_environment(found):
        about = {"authMode": "Key", "traffic": {}, "mirrorTraffic": {}, "properties": {}}
        identity = {"type": "SystemAssigned"}
        body = {"location": "westeurope", "identity": identity, "tags": {}, "properties": about}
        found.arm("PUT", f"/onlineEndpoints/{ENDPOINT}", body)
        found.wait_state(f"/onlineEndpoints/{ENDPOINT}")
        yield found


class TestEndpointKeys(KeySourceContract):
    @pytest.fixture
    def source(self, running: Emulator) -> KeySource:
        identity = credential()
        running.wait_state(f"/onlineEndpoints/{ENDPOINT}")  # from the test before
        return EndpointKeys(Arm(running.url, identity), WS, identity)

    def test_a_busy_endpoint_takes_no_second_regeneration(self, running: Emulator, source: KeySource) -> None:
        running.call("POST", "/_emulator/clock", {"freeze": True})
        try:
            source.begin_regenerate(ENDPOINT, "primary")
            with pytest.raises(Conflict):
                source.begin_regenerate(ENDPOINT, "secondary")
        finally:
            running.call("POST", "/_emulator/clock", {"resume": True})

    def test_what_is_no_endpoint_is_told(self, source: KeySource) -> None:
        for name in ("none-ep", "../workspaces/other"):
            for asked in (source.keys, source.address):
                with pytest.raises(NotFound):
                    asked(name)
