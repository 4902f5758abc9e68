"""Fixtures that every room's tests may use: a real Azurite, one per test session."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from hypothesis import settings

from dropml.azurite import process as azurite_process

# Begun with `&` or nohup, all of this would be deaf to Ctrl-C, which tests send to what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine is no failure of an example; the tests' own limits say what must be fast.
settings.register_profile("dropml", deadline=None)
settings.load_profile("dropml")
#: Files of few tests that keep a worker for long, beside those with whole stacks (marked e2e).
LONG = (
    "tests/functions/test_openapi_contract.py",
    "tests/attack/",
    "tests/soak/",
    "tests/chaos/",
    "tests/infra/test_promote.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, in whatever order besides: at the end it would keep one worker, and the others idle."""
    stacks = {item.path for item in items if item.get_closest_marker("e2e")}
    items.sort(key=lambda item: item.path not in stacks and not item.nodeid.startswith(LONG))


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Connection string of a real Azurite (blob and queue), started once and stopped with the session."""
    azurite_process.install()
    process = azurite_process.start(tmp_path_factory.mktemp("azurite"), die_with_parent=True)
    yield process.connection_string
    process.stop()


@dataclass
class StorageAccount:
    """The shared Azurite seen by one test: names made by `name` and `container` are nobody else's."""

    connection_string: str
    service: BlobServiceClient
    tag: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def name(self, stem: str) -> str:
        """A container or queue name that no other test uses."""
        return f"{stem}-{self.tag}"

    def container(self, stem: str) -> ContainerClient:
        """A fresh, empty container."""
        return self.service.create_container(self.name(stem))


@pytest.fixture
def storage_account(azurite: str) -> Iterator[StorageAccount]:
    """Fresh names on the shared Azurite; containers made under them are removed afterwards."""
    with BlobServiceClient.from_connection_string(azurite) as service:
        account = StorageAccount(azurite, service)
        yield account
        for container in service.list_containers():
            if container.name.endswith(account.tag):
                service.delete_container(container.name)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The reference folder (DROPML_REFERENCE, default ../shared); the test is skipped where it is absent."""
    folder = Path(
        os.environ.get("DROPML_REFERENCE") or Path(__file__).resolve().parents[2] / "shared"
    ).resolve()
    if not folder.is_dir():
        pytest.skip(f"reference material is not here: {folder} (set DROPML_REFERENCE)")
    return folder
