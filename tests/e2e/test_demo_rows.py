"""The demo's file holds two bad rows: they are put aside and told, and all others train."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from azure.storage.blob import BlobServiceClient

from dropml.cli.bad_rows import put_aside, with_bad_rows
from dropml.cli.sample import write_synthetic
from dropml.client import Run
from shared.services.intake.staging import BAD_ROWS, HOLDOUT, TRAIN
from tests.conftest import StorageAccount
from tests.support.staging_area import MemoryArea, staged


def test_the_bad_rows_are_put_aside_and_all_others_train(tmp_path: Path) -> None:
    data = write_synthetic(tmp_path / "bank.csv", 2000).read_bytes()
    sound, damaged = MemoryArea(), MemoryArea()
    staged(data, area=sound)
    done = staged(with_bad_rows(data), area=damaged)
    assert (done.rows, done.bad_rows) == (2000, 2)
    assert {name: sound.blobs[name] for name in (TRAIN, HOLDOUT)} == {
        name: damaged.blobs[name] for name in (TRAIN, HOLDOUT)
    }


def test_what_was_put_aside_is_told_with_place_line_and_reason(
    tmp_path: Path, storage_account: StorageAccount
) -> None:
    area = MemoryArea()
    staged(with_bad_rows(write_synthetic(tmp_path / "bank.csv", 2000).read_bytes()), area=area)
    run = cast("Run", {"slug": "bank", "run_id": "bank-1-a1", "snapshot": {"bad_rows": 2}})
    with BlobServiceClient.from_connection_string(storage_account.connection_string) as service:
        service.create_container("dropml-quarantine")
        service.get_blob_client("dropml-quarantine", "bank/bank-1-a1/rows.csv").upload_blob(
            area.blobs[BAD_ROWS]
        )
        where, *rows = put_aside(service, run)
        assert put_aside(service, cast("Run", {**run, "snapshot": {"bad_rows": 0}})) == []
        service.delete_container("dropml-quarantine")
    assert where == "dropml-quarantine/bank/bank-1-a1/rows.csv"
    assert [row.partition(":")[0] for row in rows] == ["line 1001, ragged-row", "line 1002, stray-quote"]
