"""`python -m tests.audit`: known vulnerabilities of what is locked, licences of the deployed set, its bill of materials.

Exits 1 where a vulnerability is known or a licence isn't allowed. The list of vulnerabilities comes over the network; where
it can't be had, that is said, and it is no failure. The bill is written to dist/sbom.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.audit import bill, licences, vulnerabilities

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements"


def main() -> int:
    known = vulnerabilities.check(LOCKS / "dev.lock")
    refused = licences.check(LOCKS / "deployed.lock")
    out = ROOT / "dist" / "sbom.json"
    count = bill.write(LOCKS / "deployed.lock", ROOT / "pyproject.toml", out)
    print(f"{count} deployed packages in {out.relative_to(ROOT)}")
    return 1 if known or refused else 0


if __name__ == "__main__":
    sys.exit(main())
