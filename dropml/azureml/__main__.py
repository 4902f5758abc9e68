"""`python -m dropml.azureml`: see docs/emulator.md.

Secrets come by the environment, for every user of the machine can read a process' arguments: `DROPML_STORAGE` (the
connection string), `DROPML_IDENTITY_HEADER`, `DROPML_EMULATOR_SECRET`.
"""

from __future__ import annotations

import sys

from dropml.azureml.command import main


def _words(arguments: list[str]) -> list[str]:
    """Options alone are those of `serve`, as they were before there were commands."""
    old = bool(arguments) and arguments[0].startswith("--") and arguments[0] != "--help"
    return ["serve", *arguments] if old else arguments or ["--help"]


if __name__ == "__main__":
    sys.exit(main(_words(sys.argv[1:])))
