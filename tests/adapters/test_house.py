"""House is kept on a real storage account, through the very objects that the app builds."""

from __future__ import annotations

import time

from shared.adapters.data_files import DataStore
from shared.adapters.documents import JsonStore
from shared.adapters.ledger import LedgerStore
from shared.adapters.storage import blob_service_client
from shared.services.run.housekeeping import PATH, Housekeeping, Keep
from shared.services.run.pulse import Pulse
from shared.services.run.store import RunStore
from tests.conftest import StorageAccount
from tests.services.test_lifecycle import drop, tick
from tests.support.memory import World


class Stored(World):
    """A world whose state is on the account and whose clock is ahead by `days`."""

    def __init__(self, documents: JsonStore, ledger: LedgerStore) -> None:
        self._kept = documents, ledger
        super().__init__()
        self.clock.now = time.time()

    @property
    def store(self) -> RunStore:
        return RunStore(*self._kept, self.clock)


def test_what_is_old_goes_and_what_is_named_stays(storage_account: StorageAccount) -> None:
    state, data, batch = (
        storage_account.container(name) for name in ("house-state", "house-data", "house-batch")
    )
    world = Stored(JsonStore(state), LedgerStore(state))
    drop(world, "A")
    tick(world, 15)
    assert str(world.run("bank-1-a1").state) == "live"
    for name in ("bank/A/train/data.csv", "bank/Z/train/data.csv", "bank/Z/holdout/data.csv"):
        data.upload_blob(name, b"x")
    state.upload_blob("batches/bank/1.json", b'{"status": "completed"}')
    state.upload_blob("unreadable/bank-9-a1.json", b"{}")
    batch.upload_blob("bank/1/output.csv", b"x")
    service = blob_service_client({"DATA_STORAGE": storage_account.connection_string}, lambda: None)
    keep = Keep(30, data.container_name, batch.container_name)
    Housekeeping(world.context, DataStore(service), keep).tick()
    assert len(list(data.list_blob_names())) == 3, "nothing is old yet"
    world.clock.now += 31 * 86400
    world.pulse = Pulse(world.store, world.clock, world.log, world.clock)
    Housekeeping(world.context, DataStore(service), keep).tick()
    assert list(data.list_blob_names()) == ["bank/A/train/data.csv"]
    assert list(batch.list_blob_names()) == []
    left = set(state.list_blob_names())
    assert PATH in left
    assert not [name for name in left if name.startswith(("batches/", "unreadable/"))]
    assert {"runs/bank-1-a1.json", "ledger/bank-1-a1.jsonl", "serving/bank.json"} <= left
