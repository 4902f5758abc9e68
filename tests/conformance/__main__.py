"""`python -m tests.conformance`: figures on stdout, JSON in benchmarks/results/, the table in docs/."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from pathlib import Path

from dropml.azurite import process
from tests.conformance import clients
from tests.conformance.report import figures, write
from tests.conformance.run import check

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    reference = Path(os.environ.get("DROPML_REFERENCE") or ROOT.parent / "shared").resolve()
    if not (reference / "azureml-openapi").is_dir():
        print(f"The specs and recordings are not in {reference}: set DROPML_REFERENCE.", file=sys.stderr)
        return 2
    logging.getLogger("azure").setLevel(logging.ERROR)
    process.install()
    with tempfile.TemporaryDirectory(prefix="conformance-azurite-") as folder:
        azurite = process.start(Path(folder), die_with_parent=True)
        try:
            # The SDK prints progress; stdout is for the figures.
            with contextlib.redirect_stdout(sys.stderr):
                result = check(azurite.connection_string, reference)
                result.programs = clients.run_all(azurite.connection_string)
        finally:
            azurite.stop()
    write(result, ROOT)
    for text in result.deviations:
        print(f"deviation {text}")
    for program in result.programs:
        for flow, fault in program.failed.items():
            print(f"program {program.name} ({program.packages}) {flow}: {fault}")
    for rule in result.idle:
        print(f"idle exception {rule.route} {rule.fault}")
    for name, value, target, met in figures(result):
        print(f"figure {name} {value} {target} {'ok' if met else 'short'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
