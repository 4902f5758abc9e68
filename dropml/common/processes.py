"""Child processes of the stack: started detached, found again by pid and start time, ended with all they started."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

START_TIMEOUT = 60.0
STOP_GRACE = 8.0


class StackError(RuntimeError):
    """A part of the stack could not be started; the message says which, why, and where its log is."""


def free_port(wanted: int | None = None) -> int:
    """`wanted` if it can be had, else any free port of 127.0.0.1."""
    for port in filter(None, (wanted, 0)) if wanted else (0,):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(s.getsockname()[1])
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def identify(pid: int) -> dict[str, Any]:
    """What tells the process from a later one with the same pid."""
    return {"pid": pid, "created": psutil.Process(pid).create_time()}


def find(record: dict[str, Any]) -> psutil.Process | None:
    """The recorded process if it still runs."""
    try:
        process = psutil.Process(record["pid"])
        same = abs(process.create_time() - record["created"]) < 1.0
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def start(name: str, args: list[str], log: Path, env: dict[str, str], cwd: Path) -> dict[str, Any]:
    """Start `python -m ...` detached and wait for its `ready` line; returns its record."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *args],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | env | {"PYTHONUNBUFFERED": "1"},
            cwd=cwd,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        text = log.read_text(errors="replace")
        if any(line.startswith("ready ") for line in text.splitlines()):
            return identify(process.pid)
        if process.poll() is not None:
            tail = "\n".join(text.splitlines()[-15:])
            raise StackError(
                f"{name} ended at its start (exit {process.returncode}). Its log, {log}:\n{tail}"
            )
        time.sleep(0.05)
    stop([identify(process.pid)])
    raise StackError(f"{name} was not ready after {START_TIMEOUT:.0f} s; its log is {log}")


def stop(records: list[dict[str, Any]]) -> None:
    """End the recorded processes one after another, then whatever of their children is left."""
    family: list[psutil.Process] = []
    for record in records:
        process = find(record)
        if process is None:
            continue
        try:
            family += process.children(recursive=True)
            process.terminate()
            process.wait(STOP_GRACE)
        except psutil.TimeoutExpired:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    for child in family:
        try:
            child.terminate()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(family, STOP_GRACE)
    for child in alive:
        child.kill()


def write_json(path: Path, doc: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(doc, indent=2))
    temporary.replace(path)
