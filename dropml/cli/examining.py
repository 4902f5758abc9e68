"""What `dropml doctor` finds out by itself, before it asks the app: this machine, the target, the way to it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import dropml
from dropml.cli.failures import explain
from dropml.cli.installing import local_set
from dropml.cli.session import Session
from dropml.cli.stopping import Code, Stop
from dropml.cli.target import Target, configuration
from dropml.common.folders import COMMAND

LITTLE_SPACE = 2**30
#: Where the doctor itself finds an app away that is not on this machine.
ELSEWHERE = "compare the address with FUNCTION_APP_URI of azd env get-values; az functionapp show -g GROUP -n APP --query state"
#: Packages that a stack on this machine can't do without, one of each part.
_LOCAL = ("psutil", "starlette", "azure.functions", "sklearn")


class Finding(TypedDict):
    """As the app's own doctor tells it."""

    check: str
    status: str
    message: str
    remedy: str


def ok(check: str, message: str) -> Finding:
    return Finding(check=check, status="ok", message=message, remedy="")


def bad(check: str, message: str, remedy: str, status: str = "failed") -> Finding:
    return Finding(check=check, status=status, message=message, remedy=remedy)


def here(target: Target | None) -> Iterator[Finding]:
    """This machine, which needs no stack for an app that is elsewhere."""
    yield ok("client", f"dropml {dropml.__version__} on Python {platform.python_version()}.")
    absent = [name for name in _LOCAL if not _there(name)]
    if target is not None and not target.local:
        yield ok("local", "no stack is needed here: the app is elsewhere.")
    elif absent:
        yield bad(
            "local", f"No stack can run here: {', '.join(absent)} not installed.", local_set(), "warning"
        )
    else:
        yield ok("local", "a stack can run here.")
    file = configuration()
    if file.is_file() and file.stat().st_mode & 0o077:
        yield bad("configuration", f"{file} holds a key and can be read by others.", f"chmod 600 {file}")


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def stack(target: Target) -> Iterator[Finding]:
    """The parts of a stack on this machine, and the room that it has."""
    if not target.source.endswith("stack.json"):
        return
    home = Path(target.source).parent
    free = shutil.disk_usage(home).free
    if free < LITTLE_SPACE:
        yield bad("disk", f"{free // 2**20} MiB are left for {home}.", "make room", "warning")
    else:
        yield ok("disk", f"{free // 2**30} GiB are left for {home}.")
    try:
        from dropml import stack as local

        found = local.load(home)
    except ModuleNotFoundError:
        return
    except RuntimeError as error:
        yield bad("stack", str(error), f"{COMMAND} up")
        return
    gone = found.gone if found else list(local.PARTS)
    if gone:
        yield bad("stack", f"Not running: {', '.join(gone)}; logs in {home / 'logs'}.", f"{COMMAND} up")
    else:
        yield ok("stack", "host, emulator and storage run.")


def app(session: Session, *, quota: bool) -> tuple[list[Finding], int]:
    """What the app answers, and tells of itself; and the exit code that it means."""
    target = session.target
    found = [ok("target", f"{target.base}, by {target.source}.")]
    with session.client() as api:
        try:
            api.get("/health")
            found.append(ok("app", "answers, and can read its settings and state."))
            told = api.get("/doctor", quota="true" if quota else None)
        except Exception as error:
            stop = explain(error, target)
            if stop is None:
                raise
            found.append(bad("app", stop.message, ELSEWHERE if stop.then == "dropml doctor" else stop.then))
            return found, stop.code
    found += [Finding(**{k: str(one[k]) for k in Finding.__annotations__}) for one in told["findings"]]  # type: ignore[typeddict-item]
    return found, Code.OK


def everything(session: Session, *, quota: bool) -> tuple[list[Finding], int]:
    """All findings, and the exit code: 0 where nothing failed."""
    target, code = None, Code.OK
    unnamed: list[Finding] = []
    try:
        target = session.target
    except Stop as stop:
        unnamed = [bad("target", stop.message, stop.then)]
    found = [*here(target), *unnamed]
    if target is not None:
        found += stack(target)
        asked, code = app(session, quota=quota)  # type: ignore[assignment]
        found += asked
    failed = any(one["status"] == "failed" for one in found)
    return found, code or (Code.ERROR if failed else Code.OK)
