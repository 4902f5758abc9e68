"""The log of a deployment, as its container would write it. Never payloads, never keys, but what a script itself prints."""

import contextlib
import os
import time
from pathlib import Path
from typing import IO

MAX_BYTES = 5_242_880
_LINE_LIMIT = 500
_WAITING_BYTES = 1_048_576

# time, method, path, status, milliseconds, bytes of the answer, request id
RequestRecord = tuple[float, str, str, int, float, int, bytes]


class DeploymentLog:
    """Lines in one file, kept under twice MAX_BYTES with its predecessor `.1`.

    Lines are gathered and written by `flush`, which the server calls a few times a second: no request waits
    for a disk. A log that can't be written loses lines and stops nothing.
    """

    def __init__(self, path: Path | None, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lines: list[RequestRecord | tuple[float, str, str] | bytes] = []
        self._said = 0  # bytes among them that a script has said
        self._file: IO[bytes] | None = None
        self._pid = os.getpid()

    def info(self, sentence: str) -> None:
        self._lines.append((time.time(), "I", sentence))

    def error(self, sentence: str) -> None:
        self._lines.append((time.time(), "E", sentence))

    def request(self, record: RequestRecord) -> None:
        self._lines.append(record)

    def said(self, line: bytes) -> None:
        """A line of a scoring script, as it is. One that says more than can wait has the log written at once."""
        self._lines.append(line)
        self._said += len(line)
        if self._said > _WAITING_BYTES:
            self.flush()

    def flush(self) -> None:
        if not self._lines or self.path is None:
            self._lines.clear()
            self._said = 0
            return
        lines, self._lines, self._said = self._lines, [], 0
        with contextlib.suppress(OSError):
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("ab", buffering=0)
            self._file.write("".join(map(self._format, lines)).encode("utf-8", "replace"))
            if self._file.tell() > self._max_bytes:
                self._file.close()
                self._file = None
                self.path.replace(self.path.with_name(self.path.name + ".1"))

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _format(self, record: RequestRecord | tuple[float, str, str] | bytes) -> str:
        if isinstance(record, bytes):
            return record.decode("utf-8", "replace") + "\n"
        seconds = record[0]
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
        start = f"{stamp},{int(seconds % 1 * 1000):03d}"
        if len(record) == 3:
            sentence = " ".join(record[2].split())[:_LINE_LIMIT]
            return f"{start} {record[1]} [{self._pid}] azmlinfsrv - {sentence}\n"
        _, method, path, status, elapsed, size, request_id = record
        return (
            f"{start} I [{self._pid}] azmlinfsrv - {method} {path} {status} {elapsed:.3f}ms {size} "
            f"request_id={request_id.decode('ascii', 'replace')}\n"
        )
