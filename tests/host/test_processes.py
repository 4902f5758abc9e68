"""Child processes of stack, emulator and host: found again, ended with all they started, their last logs kept."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dropml.common import family, logs
from dropml.common.processes import (
    Child,
    StartError,
    find_by_argument,
    start,
    start_ready,
    working_in,
)
from tests.support.host_harness import wait_for

SLEEPER = [sys.executable, "-c", "import sys, time; print(sys.argv[1], flush=True); time.sleep(600)"]
# Starts a process in a session of its own and ignores being asked to end.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_process_is_found_again_by_what_was_written_down_and_by_its_folder(tmp_path: Path) -> None:
    child = start([*SLEEPER, str(tmp_path)], tmp_path / "x.log")
    try:
        found = Child.adopt(child.pid, child.started)
        assert found is not None
        assert found.alive()
        by_folder = wait_for(lambda: find_by_argument(str(tmp_path)), what="its command line")
        assert by_folder.pid == child.pid
        assert Child.adopt(child.pid, child.started - 100) is None, "another process had the id then"
        assert Child.adopt(None, None) is None
    finally:
        child.end(1)
    assert Child.adopt(child.pid, child.started) is None
    assert child.code == -signal.SIGTERM


def test_ending_a_process_ends_what_it_started_even_in_another_session(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    child = start([sys.executable, "-c", STUBBORN], log)
    grandchild = int(wait_for(lambda: logs.tail(log, 1), what="the grandchild's id"))
    child.end(0.2)
    assert not child.alive()
    wait_for(lambda: ended(grandchild), what="the grandchild's end")


def test_ending_never_touches_a_process_that_took_the_id_over(tmp_path: Path) -> None:
    child = start([*SLEEPER, "x"], tmp_path / "x.log")
    try:
        Child(child.pid, child.started - 100).end(0)
        assert child.alive()
    finally:
        child.end(1)


def test_what_a_crash_left_behind_is_found_by_the_folder_it_works_in(tmp_path: Path) -> None:
    folder = tmp_path / "azure ml"
    left = start([*SLEEPER, str(folder / "endpoints" / "x")], tmp_path / "x.log")
    neighbour = start([*SLEEPER, f"{folder}-of-another"], tmp_path / "y.log")
    try:
        wait_for(lambda: working_in(folder), what="its command line")
        assert [child.pid for child in working_in(folder)] == [left.pid]
    finally:
        left.end(1)
        neighbour.end(1)
    assert working_in(folder) == []


def test_a_process_that_ends_at_its_start_tells_why(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="The demo ended at its start") as caught:
        start_ready("The demo", ["no_such_module_at_all"], tmp_path / "x.log")
    assert "No module named no_such_module_at_all" in str(caught.value)


def test_each_start_has_its_own_log_and_the_last_ones_are_kept_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "KEPT_BYTES", 30)
    log = tmp_path / "with space" / "host.log"
    log.parent.mkdir()
    for number in range(10):
        logs.rotate(log)
        log.write_text("a long line that nobody needs\n" + f"why start {number} crashed\n")
    logs.rotate(log)
    kept = sorted(log.parent.iterdir())
    assert [file.name for file in kept] == [f"host.log.{number}" for number in range(1, 6)]
    assert kept[0].read_text() == "why start 9 crashed\n"
    assert kept[-1].read_text() == "why start 5 crashed\n"


def test_nothing_to_rotate_leaves_the_kept_ones_alone(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    logs.rotate(log)
    log.touch()
    logs.rotate(log)
    assert [file.name for file in tmp_path.iterdir()] == ["x.log"]


def test_the_line_that_a_process_serves_leaves_in_one_write() -> None:
    """What another thread logs at that moment came between the address and its end, and was read as a part of it."""

    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            return super().write(text) + super().write("2026-01-31T12:00:00.123Z INFO Host.Timers begun\n")

    out = Interrupted()
    logs.announce("http://127.0.0.1:7071", out)
    assert out.getvalue().splitlines()[0] == "ready http://127.0.0.1:7071"


def test_a_log_is_kept_short_while_it_is_written(tmp_path: Path) -> None:
    with (tmp_path / "x.log").open("a+b", buffering=0) as log:
        for number in range(1000):
            log.write(b"line %d\n" % number)
        assert not logs.keep_short(log.fileno(), 100_000)
        assert logs.keep_short(log.fileno(), 5_000)
        log.write(b"the next line\n")
    lines = (tmp_path / "x.log").read_text().splitlines()
    assert lines[-2:] == ["line 999", "the next line"]
    assert lines == [f"line {n}" for n in range(1001 - len(lines), 1000)] + ["the next line"]
    assert (tmp_path / "x.log").stat().st_size <= 2_600


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    child = start([*SLEEPER, str(tmp_path)], tmp_path / "x.log")
    yield child
    child.end(1)


def test_a_process_is_the_same_whatever_the_clock_is_set_to(
    sleeper: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: time.time() + 3600)
    assert sleeper.pid in [member.pid for member in family.group(sleeper.pid, sleeper.started)]
    assert Child.adopt(sleeper.pid, sleeper.started) is not None
    assert family.age(sleeper.started) < 600


def test_a_process_that_an_earlier_release_wrote_down_is_found(sleeper: Child) -> None:
    assert Child.adopt(sleeper.pid, psutil.Process(sleeper.pid).create_time()) is not None
