"""The process of a scoring script: loads it, calls `init`, then `run` for one request after another.

Started by `script_process`, in the folder of the script's code, with nothing of this project on the script's path.
"""

from __future__ import annotations

import builtins
import faulthandler
import logging
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from dropml.azureml.serving import script_api
from dropml.azureml.serving.script_contract import UserScript, load_script
from dropml.azureml.serving.script_wire import Message, pack, read

log = logging.getLogger("azmlinfsrv")
_FAILED = 3  # as the server exits
_TIMEOUT_MS = 3_600_000
_TREE_LINES = 200


def main(project: str) -> None:
    """Serve until the endpoint's process closes the pipe. `project` leaves the path of imports."""
    questions, replies = _own_pipes()
    sys.path[:] = [folder for folder in sys.path if folder != project]
    faulthandler.enable()
    _set_up_log()
    script_api.install()
    try:
        script = _start(Path(os.environ["AML_APP_ROOT"]), os.environ["AZUREML_ENTRY_SCRIPT"])
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a script is a failure as well
        replies.write(pack({"failed": _short(error), "traceback": traceback.format_exc()}))
        replies.flush()
        sys.stdout.flush()
        os._exit(_FAILED)
    replies.write(pack({"ready": True}))
    replies.flush()
    waiting: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(questions, waiting), daemon=True).start()
    while True:
        head, body = waiting.get()
        replies.write(_answer(script, head, body))
        replies.flush()
        sys.stdout.flush()


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """What the script reads and prints must not get between the messages."""
    questions, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return questions, replies


def _listen(questions: BinaryIO, waiting: queue.SimpleQueue[Message]) -> None:
    while message := read(questions):
        waiting.put(message)
    # The endpoint's process is gone: nobody would read an answer, and the script's threads end with this.
    os._exit(0)


def _set_up_log() -> None:
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter("%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log.addHandler(handler)
    log.setLevel(os.environ.get("AZUREML_LOG_LEVEL", "INFO").upper())
    log.propagate = False
    said = logging.getLogger("azmlinfsrv.print")
    before = builtins.print

    def told(
        *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
    ) -> None:
        """What is printed stands in the log with its time, as the server has it."""
        if file is None or file is sys.stdout:
            said.info((" " if sep is None else sep).join(map(str, values)))
        else:
            before(*values, sep=sep, end=end, file=file, flush=flush)

    builtins.print = told


def _start(app_root: Path, entry: str) -> UserScript:
    sys.path.append(str(app_root))
    if source := os.environ.get("AZUREML_SOURCE_DIRECTORY"):
        sys.path.append(str(app_root / source))
    try:
        script = load_script(app_root, entry, int(os.environ.get("SCORING_TIMEOUT_MS") or _TIMEOUT_MS))
    except BaseException:
        log.error(traceback.format_exc())
        raise
    log.info("Invoking user's init function")
    try:
        script.init()
    except BaseException:
        log.error("User's init function failed")
        log.error("Encountered Exception %s", traceback.format_exc())
        _show(os.environ.get("AZUREML_MODEL_DIR"))
        raise
    log.info("Users's init has completed successfully")
    return script


def _show(model_dir: str | None) -> None:
    """The files of the model: most scripts that fail look for one in the wrong place."""
    if model_dir is None:
        return
    root = Path(model_dir)
    log.info("Model Directory Contents:")
    for path in sorted(root.rglob("*"))[:_TREE_LINES]:
        log.info(str(path.relative_to(root)))


def _answer(script: UserScript, head: dict[str, Any], body: bytes) -> bytes:
    try:
        response = script.answer(head, body)
        content = response.get_data()
        headers = [[name, value] for name, value in response.headers.items()]
        reply = {"id": head["id"], "status": response.status_code, "headers": headers}
    except Exception:  # noqa: BLE001 - a response that can't be read out is the script's fault
        log.error("Encountered Exception: %s", traceback.format_exc())
        return pack({"id": head["id"], "status": 500, "headers": []}, b"")
    return pack(reply, content)


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
