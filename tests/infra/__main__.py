"""`python -m tests.infra`: what was checked of the templates, as figures. Exits 1 where something is wrong.

The reference (DROPML_REFERENCE, default ../shared) holds Microsoft's types; without it, that is said, and types are not checked.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.figure import Figure
from tests.infra.check import check, texts
from tests.infra.facts import ROOT
from tests.infra.mutations import MUTATIONS
from tests.infra.types import Types


def main() -> int:
    folder = Path(os.environ.get("DROPML_REFERENCE") or ROOT.parent / "shared").resolve() / "bicep-types"
    types = Types(folder) if folder.is_dir() else None
    files = texts()
    report = check(files, types)
    tried = [each for each in MUTATIONS if types is not None or not each.by_types]
    missed = [
        each.name
        for each in tried
        if not any(each.told in str(finding) for finding in check(each.applied(files), types).findings)
    ]
    figures = [
        Figure("resources_checked", report.resources, 30),
        Figure("settings_written", report.settings, 30),
        Figure("settings_missing", report.settings_missing, 0, at_least=False),
        Figure("findings", len(report.findings), 0, at_least=False),
        Figure("mutations_tried", len(tried), 20),
        Figure("mutations_missed", len(missed), 0, at_least=False, note=", ".join(missed)),
    ]
    if types is None:
        print("Microsoft's types are not here (DROPML_REFERENCE): properties and words were not checked.")
    else:
        figures.insert(1, Figure("types_unknown", report.types_unknown, 0, at_least=False))
    for finding in report.findings:
        print(finding)
    for figure in figures:
        print(figure.line())
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
