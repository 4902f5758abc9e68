"""Somebody who goes through a page from its top: each snippet in one shell after the other, which hand on their variables."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dropml.azurite.node import find_node
from tests.snippets import shell
from tests.snippets.kinds import READERS
from tests.snippets.pages import Snippet
from tests.snippets.table import ALLOWED, companions, filled

PATIENCE = 1200.0
#: Of what was said, where it has failed.
_TAIL = 2000


@dataclass(frozen=True)
class Outcome:
    snippet: Snippet
    code: int
    seconds: float
    said: str = ""

    def line(self) -> str:
        """The place, how it ended, and what was said last where that was not well."""
        told = f"{self.snippet.place} exit {self.code}, {self.seconds:.1f} s"
        return told if self.code == 0 else f"{told}\n{self.said[-_TAIL:]}"


class Reader:
    """`folder` is the checkout that the page's commands are given in."""

    def __init__(self, folder: Path, env: Mapping[str, str], values: Mapping[str, str]) -> None:
        self._folder, self._env, self._values = folder, env, values

    def run(self, snippet: Snippet) -> Outcome:
        """Tried as what it is. A shell's is tried without the statements that need what isn't here."""
        begun = time.monotonic()
        code, said = self._tried(snippet)
        return Outcome(snippet, code, time.monotonic() - begun, said)

    def _tried(self, snippet: Snippet) -> tuple[int, str]:
        if snippet.info in READERS:
            try:
                READERS[snippet.info](snippet.text, self._folder)
            except Exception as error:  # noqa: BLE001 - whatever the reader says of it is the outcome
                return 1, f"{type(error).__name__}: {error}"
            return 0, ""
        if snippet.info == "bash":
            return self._started(["bash", "-c", self.script(snippet)], self._folder)
        return self._program(snippet)

    def script(self, snippet: Snippet) -> str:
        kept = shlex.quote(str(self._folder.parent / "variables"))
        lines = ["set -euo pipefail", f"[ ! -f {kept} ] || . {kept}"]
        for statement in shell.statements(snippet.text):
            if not shell.reason(statement):
                lines.append(_allowing(filled(snippet.page, statement, self._values)))
        return "\n".join([*lines, f"export -p > {kept}"])

    def _program(self, snippet: Snippet) -> tuple[int, str]:
        beside = next((one for one in companions() if one.mark in snippet.text), None)
        folder = self._folder.parent / "mine"
        folder.mkdir(exist_ok=True)
        python = snippet.info == "python"
        file = folder / (beside.file if beside and beside.file else f"snippet.{'py' if python else 'js'}")
        before, after = (beside.before, beside.after) if beside else ("", "")
        file.write_text(f"{before}{snippet.text}{after}", encoding="utf-8")
        program = "python" if python else find_node().node
        command = list(beside.command) if beside and beside.command else [program]
        return self._started([*command, file.name], folder)

    def _started(self, command: list[str], folder: Path) -> tuple[int, str]:
        """What it leaves running in the background keeps nobody waiting: it writes into a file."""
        log = self._folder.parent / "said"
        with log.open("wb") as output:
            program = subprocess.Popen(
                ["/usr/bin/env", *command], cwd=folder, env=dict(self._env), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                code = program.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                code = 124
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGTERM)
                program.wait(30)
        return code, log.read_text(encoding="utf-8", errors="replace")


def _allowing(statement: str) -> str:
    codes = next((found for words, found in ALLOWED.items() if words in statement), ())
    if not codes:
        return statement
    return f'{{ {shell.bare(statement)}; }} || [[ " {" ".join(map(str, codes))} " == *" $? "* ]]'
