"""Known vulnerabilities of what is locked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SECONDS = 600.0


def check(lock: Path) -> int:
    """Print what is known; how many. Where the list can't be had, that is said and none is known."""
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), *options]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError) as error:
        print(f"not audited: the list of vulnerabilities can't be had from here ({type(error).__name__})")
        return 0
    unknown = sum(1 for package in packages if "skip_reason" in package)
    known = [(package, found) for package in packages for found in package.get("vulns", [])]
    for package, found in known:
        fixed = ", ".join(found["fix_versions"]) or "nothing yet"
        print(f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}")
    print(
        f"audited {len(packages) - unknown} of {len(packages)} packages, {len(known)} known vulnerabilities"
    )
    if unknown:
        print(f"{unknown} could not be audited: the registry reached from here doesn't tell of them")
    return len(known)
