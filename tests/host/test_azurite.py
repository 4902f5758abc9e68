"""Azurite as the stack runs it: installed once, kept data, kept ports, really stopped."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from dropml.azurite import node, process


def test_blobs_and_queues_answer(azurite: str) -> None:
    with BlobServiceClient.from_connection_string(azurite) as blobs:
        container = blobs.create_container("hello-azurite")
        container.upload_blob("a.txt", b"hello", overwrite=False)
        assert container.download_blob("a.txt").readall() == b"hello"
        with pytest.raises(ResourceExistsError):
            container.upload_blob("a.txt", b"again", overwrite=False)
    with QueueServiceClient.from_connection_string(azurite) as queues:
        queue = queues.create_queue("hello-azurite")
        queue.send_message("one")
        assert [m.content for m in queue.receive_messages()] == ["one"]


def test_second_install_runs_no_npm(azurite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Path] = []
    monkeypatch.setattr(process, "_npm_ci", runs.append)
    process.install()
    assert runs == []


def test_restart_keeps_data_and_ports_and_leaves_no_process(azurite: str, tmp_path: Path) -> None:
    first = process.start(tmp_path / "data")
    with BlobServiceClient.from_connection_string(first.connection_string) as blobs:
        blobs.create_container("kept").upload_blob("x", b"kept")
    first.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, 0)

    with socket.create_server(("127.0.0.1", first.queue_port)):  # somebody took one of its ports meanwhile
        second = process.start(tmp_path / "data")
        try:
            assert second.blob_port == first.blob_port
            assert second.queue_port != first.queue_port
            with BlobServiceClient.from_connection_string(second.connection_string) as blobs:
                assert blobs.get_blob_client("kept", "x").download_blob().readall() == b"kept"
        finally:
            second.stop()


def test_not_installed_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(node.AzuriteError, match=r"call install\(\) first"):
        process.start(tmp_path / "data", root=tmp_path)


def test_the_node_of_the_python_package_is_found_and_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "_system_node", lambda: None)
    binary = Path(node.find_node().node)
    assert binary.read_bytes()[:2] != b"#!"  # a script could not be signalled


def test_lockfile_names_no_registry() -> None:
    lock = (process.MANIFEST / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"node_modules/azurite": {\n      "version": "3.37.0"' in lock
