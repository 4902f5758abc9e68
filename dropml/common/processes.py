"""Child processes: started in a session of their own, found again by id and start time, ended with all they started."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from dropml.common import family, private, processors
from dropml.common.folders import ROOT
from dropml.common.logs import is_ready, rotate, tail

READY_SECONDS = 60.0
STOP_SECONDS = 8.0
KILL_SECONDS = 5.0  # after SIGKILL only a process that hangs in the kernel is still there
_PR_SET_PDEATHSIG = 1
_started: set[subprocess.Popen[bytes]] = set()  # until they end
#: Whose stack a process belongs to; `dropml/common/marks.py` finds it by that.
MARK = "DROPML_STACK"
_PASSED_ON = (
    MARK,
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
)
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "LOKY_MAX_CPU_COUNT",
)  # fmt: skip


class StartError(RuntimeError):
    """A process could not be started; the message says which, why, and where its log is."""


@dataclass(frozen=True)
class Caps:
    """What a process may use: cores (`first` is where its share of the machine begins) and MiB of memory."""

    cores: int
    memory_mb: int
    first: int = 0

    def affinity(self) -> list[int] | None:
        """The cores to stay on; None where the machine has no more than that, or can't bind a process."""
        if sys.platform != "linux":
            return None
        have = processors.available()
        if self.cores >= len(have):
            return None
        return [have[(self.first + i) % len(have)] for i in range(self.cores)]


class Child:
    """A process by pid and time of start (`family.started`): a reused pid is never taken for it."""

    def __init__(self, pid: int, started: float, popen: subprocess.Popen[bytes] | None = None) -> None:
        self.pid, self.started, self._popen = pid, started, popen

    @classmethod
    def adopt(cls, pid: int | None, started: float | None) -> Child | None:
        """The process that somebody started earlier and wrote down, if it still lives."""
        if not pid or started is None:
            return None
        child = cls(pid, started)
        return child if child.alive() else None

    @property
    def code(self) -> int | None:
        """Exit code, where this process started it and it has ended."""
        return self._popen.poll() if self._popen else None

    def alive(self) -> bool:
        """True while it runs; a zombie doesn't."""
        if self._popen is not None:
            return self._popen.poll() is None
        try:
            found = psutil.Process(self.pid)
            return family.is_same(found, self.started) and found.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, where the process leads one."""
        if self.alive():
            try:
                send = os.killpg if os.getpgid(self.pid) == self.pid else os.kill
                send(self.pid, number)
            except (ProcessLookupError, PermissionError):
                return

    def memory_mb(self) -> float:
        """Resident memory of the process and its descendants."""
        try:
            process = psutil.Process(self.pid)
            members = [process, *process.children(recursive=True)]
            return sum(family.resident(p) for p in members) / 2**20
        except psutil.Error:
            return 0.0

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds; leftovers of the group and descendants go too."""
        for pause in self._ending(grace):
            await asyncio.sleep(pause)

    def end(self, grace: float = STOP_SECONDS) -> None:
        """As `stop`, for callers without an event loop."""
        for pause in self._ending(grace):
            time.sleep(pause)

    def _ending(self, grace: float) -> Iterator[float]:
        """Ends the process; yields the pauses (seconds) that its caller has to wait."""
        offspring = family.descendants(self.pid) if self.alive() else []
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self.alive() and time.monotonic() < deadline:
            yield 0.05
        left = [
            p
            for p in {*offspring, *family.group(self.pid, self.started)}
            if p.pid != self.pid and p.is_running()
        ]
        # Those in sessions of their own (what the emulator runs) have heard nothing yet.
        for process in left:
            family.send(process, signal.SIGTERM)
        deadline = time.monotonic() + min(grace, 1.0)
        while any(map(family.runs, left)) and time.monotonic() < deadline:
            yield 0.05
        for process in left:
            family.send(process, signal.SIGKILL)
        deadline = time.monotonic() + KILL_SECONDS
        while self.alive() and time.monotonic() < deadline:
            self.signal(signal.SIGKILL)
            yield 0.02
        _reap()


def find_by_argument(argument: str) -> Child | None:
    """A live process of ours that was started with exactly this argument (its folder).

    It closes the gap between starting a process and writing down its pid.
    """
    for process in psutil.process_iter(["cmdline"]):
        if argument in (process.info["cmdline"] or []) and process.pid != os.getpid():
            with contextlib.suppress(psutil.Error):
                return Child(process.pid, family.started(process))
    return None


def working_in(folder: Path) -> list[Child]:
    """Live processes of ours whose command line names the folder or something in it: what a crash has left behind."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        ours = any(word.startswith("dropml.") for word in line[1:4]) or line[1:2] == ["-c"]
        inside = any(word == str(folder) or word.startswith(f"{folder}{os.sep}") for word in line)
        if ours and inside and process.pid != os.getpid():
            with contextlib.suppress(psutil.Error):
                found.append(Child(process.pid, family.started(process)))
    return found


def environment(cores: int | None = None, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a child sees: no secret of this process' own environment, this project on its path."""
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    env |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    if cores:
        env |= dict.fromkeys(_THREADS, str(cores))
    return env | dict(extra or {})


def _reap() -> None:
    """Take the exit codes of all that has ended, also of what nobody holds any more: a child found by its id is one."""
    for popen in list(_started):
        if popen.poll() is not None:
            _started.discard(popen)


def start(
    command: list[str],
    log: Path,
    caps: Caps | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    *,
    die_with_parent: bool = False,
    inherited: tuple[int, ...] = (),
) -> Child:
    """Start a process in its own session, output appended to `log`. Blocks for some milliseconds.

    `inherited` are the open files, by number, that it is given (a listening socket, say).

    `die_with_parent` (Linux) has the kernel end it with the starting thread, even if that is killed.
    """
    _reap()
    private.folder(log.parent)
    # Readable, too: a process bounds its own log from its end.
    with open(log, "a+b", opener=private.opener) as output:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=private.UMASK,
            pass_fds=inherited,
            cwd=cwd or ROOT,
            env=environment(caps.cores if caps else None, env),
            preexec_fn=_death_signal() if die_with_parent else None,  # noqa: PLW1509 - one system call
        )
    _started.add(popen)
    try:
        if caps:
            _limit(popen.pid, caps)
        started = family.started(psutil.Process(popen.pid))
    except (psutil.Error, ProcessLookupError):
        # It has ended already; its exit code tells the rest.
        started = 0.0
    return Child(popen.pid, started, popen)


def start_ready(name: str, module: list[str], log: Path, env: Mapping[str, str] | None = None) -> Child:
    """Start `python -m module ...` on a fresh `log`, and wait until it prints its `ready` line there.

    It inherits the whole environment. Raises StartError with the last lines of its log.
    """
    rotate(log)
    child = start([sys.executable, "-m", *module], log, env=os.environ | dict(env or {}))
    try:
        _wait_ready(name, child, log)
    except BaseException:  # Ctrl-C among them: nobody has written it down yet
        child.end()
        raise
    return child


def _wait_ready(name: str, child: Child, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        ended = not child.alive()  # asked before the log is read: what it said last counts
        if is_ready(log):
            return
        if ended:
            raise StartError(
                f"{name} ended at its start (exit {child.code}). Its log, {log}:\n{tail(log, 15)}"
            )
        time.sleep(0.05)
    raise StartError(f"{name} was not ready after {READY_SECONDS:.0f} s; its log is {log}")


def _death_signal() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit(pid: int, caps: Caps) -> None:
    if sys.platform != "linux":
        return
    cores = caps.affinity()
    if cores:
        processors.confine(pid, cores)
    bound = caps.memory_mb * 2**20
    resource.prlimit(pid, resource.RLIMIT_DATA, (bound, bound))
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
