"""What the dashboard's pages load of others: `python -m tests.support.vendored` copies it from web/node_modules, whose contents
npm has held against web/package-lock.json, and writes down what was copied.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB, STATIC = ROOT / "web", ROOT / "functions" / "static" / "dashboard"
#: Where each file comes from and goes to.
FILES = {"htmx.org/dist/htmx.min.js": "htmx.min.js", "htmx.org/LICENSE": "htmx.LICENSE"}
RECORD = WEB / "vendored.json"


def integrity(package: str) -> str:
    """What the lock says of the package's contents."""
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    return str(lock["packages"][f"node_modules/{package}"]["integrity"])


def record() -> dict[str, dict[str, str]]:
    """Of each copy: sha256, and the integrity of the package that it was taken from."""
    return {
        to: {
            "sha256": hashlib.sha256((STATIC / to).read_bytes()).hexdigest(),
            "package": integrity(path.partition("/")[0]),
        }
        for path, to in FILES.items()
    }


def main() -> int:
    for path, to in FILES.items():
        shutil.copyfile(WEB / "node_modules" / path, STATIC / to)
    RECORD.write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
