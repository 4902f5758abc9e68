"""What goes wrong on the way to the app, as a sentence and the command that comes next."""

from __future__ import annotations

from dropml.cli.installing import local_set
from dropml.cli.stopping import Code, Stop
from dropml.cli.target import Target
from dropml.common.folders import COMMAND

#: What comes after a refusal, by the problem's code or its status.
_THEN = {
    "400": "dropml --help, or GET /api/docs, tells what the call takes",
    "422": "mend the rows that it names",
    "404": "dropml runs, or dropml quarantine list, names what there is",
    "409": "dropml show RUN says what state it is in",
    "503": "dropml doctor",
    "502": "dropml doctor",
}


def explain(error: Exception, target: Target | None) -> Stop | None:
    """None for what nobody foresaw."""
    import requests

    from dropml.client import ApiError

    if isinstance(error, Stop):
        return error
    if isinstance(error, ApiError):
        return _refused(error, target)
    if isinstance(error, requests.RequestException):
        return _away(error, target)
    if isinstance(error, TimeoutError):
        return Stop(str(error), "dropml runs", Code.TIMEOUT)
    if isinstance(error, OSError) and error.filename:
        return Stop(f"{error.filename}: {error.strerror}.", "make room, or look at who owns it")
    if isinstance(error, ModuleNotFoundError):
        return Stop(
            f"What runs on this machine needs packages that are not installed ({error.name}).", local_set()
        )
    return None


def _refused(error: Exception, target: Target | None) -> Stop:
    status = getattr(error, "status", 0)
    if status in (401, 403):
        given = "The function key is missing." if target and not target.key else "The app refuses the key."
        where = f" It came from {target.source}." if target and target.key else ""
        then = "set DROPML_KEY; az functionapp keys list --name APP --resource-group GROUP shows it"
        local = target is not None and target.local
        return Stop(f"{given}{where}", f"{COMMAND} status" if local else then, Code.UNAUTHORISED)
    listed = "".join(f"\n  {_line(entry)}" for entry in getattr(error, "errors", ()))
    return Stop(f"{error}{listed}", _THEN.get(str(status), "dropml doctor"))


def _line(entry: object) -> str:
    """An entry of a problem's errors: where, then what."""
    if not isinstance(entry, dict):
        return str(entry)
    where = [f"row {entry['row']}"] if "row" in entry else []
    where += [str(entry["field"])] if entry.get("field") else []
    return ": ".join(filter(None, (", ".join(where), " ".join(str(entry.get("message", "")).split()))))


def _away(error: Exception, target: Target | None) -> Stop:
    base = target.base if target else "The app"
    if target and target.local:
        return Stop(f"Nothing answers at {base}: the stack is not running.", f"{COMMAND} up")
    return Stop(f"{base} does not answer ({type(error).__name__}).", "dropml doctor")
