"""Child processes that outlive a crash of the emulator: started in a group of their own, found again by id and start time."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT")
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT",
)  # fmt: skip


@dataclass(frozen=True)
class Caps:
    """What a process may use: cores (`first` is where its share of the machine begins) and MiB of memory."""

    cores: int
    memory_mb: int
    first: int = 0

    def affinity(self) -> list[int] | None:
        """The cores to stay on, or None where the machine has no more than that."""
        have = sorted(os.sched_getaffinity(0))
        if self.cores >= len(have):
            return None
        return [have[(self.first + i) % len(have)] for i in range(self.cores)]


class Child:
    """A process by pid and start time: a reused pid is never taken for it."""

    def __init__(self, pid: int, started: float, popen: subprocess.Popen[bytes] | None = None) -> None:
        self.pid, self.started, self._popen = pid, started, popen

    @classmethod
    def adopt(cls, pid: int | None, started: float | None) -> Child | None:
        """The process that an earlier emulator started, if it still lives."""
        if not pid or started is None:
            return None
        child = cls(pid, started)
        return child if child.alive() else None

    @property
    def code(self) -> int | None:
        """Exit code, where this emulator started it and it has ended."""
        return self._popen.poll() if self._popen else None

    def alive(self) -> bool:
        if self._popen is not None:
            return self._popen.poll() is None
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < 1
            return bool(same and found.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    def signal(self, number: int) -> None:
        """To the whole group."""
        if self.alive():
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                return

    def memory_mb(self) -> float:
        """Resident memory of the process and its descendants."""
        try:
            process = psutil.Process(self.pid)
            family = [process, *process.children(recursive=True)]
            return sum(_rss(p) for p in family) / 2**20
        except psutil.Error:
            return 0.0

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds; leftovers of the group go too."""
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self.alive() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        for leftover in _group(self.pid):
            try:
                leftover.kill()
            except psutil.Error:
                continue
        while self.alive():
            self.signal(signal.SIGKILL)
            await asyncio.sleep(0.02)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _group(pid: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.pid != os.getpid():
                found.append(process)
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue
    return found


def find_by_argument(argument: str) -> Child | None:
    """A live process of ours that was started with exactly this argument (its folder).

    It closes the gap between starting a process and writing down its pid.
    """
    for process in psutil.process_iter(["cmdline", "pid", "create_time"]):
        line = process.info["cmdline"] or []
        if argument in line and process.info["pid"] != os.getpid():
            return Child(process.info["pid"], process.info["create_time"])
    return None


def environment(cores: int | None = None, extra: dict[str, str] | None = None) -> dict[str, str]:
    """What a child sees: no secret of the emulator's own environment, this project on its path."""
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    if cores:
        env |= dict.fromkeys(_THREADS, str(cores))
    return env | (extra or {})


def start(
    command: list[str],
    log: Path,
    caps: Caps | None = None,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> Child:
    """Start a process in its own session, output into `log`. Blocking for some milliseconds: use a thread."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=cwd or ROOT,
            env=environment(caps.cores if caps else None, env),
        )
    try:
        if caps:
            _limit(popen.pid, caps)
        started = psutil.Process(popen.pid).create_time()
    except (psutil.Error, ProcessLookupError):
        # It has ended already; its exit code tells the rest.
        started = time.time()
    return Child(popen.pid, started, popen)


def _limit(pid: int, caps: Caps) -> None:
    cores = caps.affinity()
    if cores:
        os.sched_setaffinity(pid, cores)
    if sys.platform == "linux":
        bound = caps.memory_mb * 2**20
        resource.prlimit(pid, resource.RLIMIT_DATA, (bound, bound))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def tail(path: Path, lines: int) -> str:
    """The last lines of a text file, reading no more than its last 256 KiB; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            size = file.tell()
            file.seek(max(0, size - 262_144))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
