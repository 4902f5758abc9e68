"""What the stack writes is its owner's alone, and a full disk leaves the old file as it was."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from dropml.azurite import process
from dropml.common import private
from dropml.common.processes import start
from dropml.stack import command, life
from dropml.stack.places import PARTS, Places, Stack
from tests.support.host_harness import wait_for

SLEEP = "import time; time.sleep(60)"
PUBLIC_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_their_owners_from_the_first_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)
    try:
        home = private.folder(tmp_path / "home")
        private.write(home / "secret", "one")
        seen: list[int] = []
        replace = Path.replace

        def look(path: Path, target: Path) -> Path:
            seen.append(mode(path))
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", look)
        private.write(home / "secret", "two")
    finally:
        os.umask(before)
    assert (mode(home), mode(home / "secret"), seen) == (0o700, 0o600, [0o600])
    assert (home / "secret").read_text() == "two"


def test_a_folder_that_was_left_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert mode(private.folder(tmp_path)) == 0o700


def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private.write(tmp_path / "kept", "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        private.write(tmp_path / "kept", "new")
    assert (tmp_path / "kept").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_a_child_writes_is_private_too(tmp_path: Path) -> None:
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x'); print('done', flush=True)"
    child = start([sys.executable, "-c", script, str(tmp_path / "made")], tmp_path / "child.log")
    try:
        wait_for(lambda: not child.alive(), what="the child's end")
    finally:
        child.end(1)
    assert mode(tmp_path / "made") == 0o600
    assert mode(tmp_path / "child.log") == 0o600


def test_storage_has_a_key_of_its_own_that_stays(azurite: str, tmp_path: Path) -> None:
    assert PUBLIC_KEY not in azurite
    first = process.start(tmp_path / "data")
    first.stop()
    second = process.start(tmp_path / "data")
    try:
        assert second.key == first.key
        assert mode(tmp_path / "data") == 0o700
        files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert {path.name: mode(path) for path in files if mode(path) & 0o077} == {}
        stranger = second.connection_string.replace(second.key, PUBLIC_KEY)
        with (
            BlobServiceClient.from_connection_string(stranger, retry_total=0) as service,
            pytest.raises(HttpResponseError, match="AuthorizationFailure"),
        ):
            service.create_container("stolen")
        with BlobServiceClient.from_connection_string(second.connection_string) as service:
            service.create_container("ours")
    finally:
        second.stop()


def test_logs_and_the_lock_are_their_owners_too(tmp_path: Path) -> None:
    home = private.folder(tmp_path / "home")
    (home / "logs").mkdir(mode=0o755)
    (home / "up.lock").touch(mode=0o644)
    start([sys.executable, "-c", ""], home / "logs" / "host.log").end()
    with life.alone(home):
        assert (mode(home / "logs"), mode(home / "up.lock")) == (0o700, 0o600)


@pytest.mark.parametrize("gone", ["host", "azureml", "azurite", "host-storage"])
def test_status_says_which_part_has_ended(
    tmp_path: Path, gone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = private.folder(tmp_path / "home")
    places = Places("", 1, 2, 3, "http://h", "", "", "", processes={})
    stack, parts = Stack(home, places), {}
    for name in PARTS:
        parts[name] = start(
            [sys.executable, "-c", "input()" if name == gone else SLEEP], home / "logs" / name
        )
        stack = stack.note(name, parts[name])
    try:
        wait_for(lambda: not parts[gone].alive())
        assert command.main(["status", "--home", str(home)]) == 1
        told = capsys.readouterr().err
    finally:
        for child in parts.values():
            child.end()
    assert "has ended by itself" in told
    assert f"pid {parts[gone].pid})" in told.splitlines()[0]
    assert told.count("still runs") == len(PARTS) - 1
    assert command.NOT_RUNNING in told
