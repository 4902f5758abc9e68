"""What a reader has before the first command: a checkout of their own, its wheel, an environment, a home without settings.

Packages are those of this environment: no registry is asked, so a command that would want another one fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from dropml import __version__
from dropml.azurite import process as azurite
from tests.snippets.pages import ROOT
from tests.support.live_stack import small_table

#: Made here, or nothing that a fresh clone has.
_NOT_CLONED = (".git", ".venv*", ".dropml", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__", "dist",
               "node_modules", "mlruns", "results", "venvs")  # fmt: skip
WHEEL = f"dropml-{__version__}-py3-none-any.whl"
#: A program of the reader's own, for pages that call it theirs.
TRAIN = """import os
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE")
client = MLClient(DefaultAzureCredential(), *(os.environ[name] for name in names))
print(client.workspaces.get().name, len(list(client.jobs.list())))
"""
_PASSED_ON = ("LANG", "LC_ALL", "TMPDIR", "NO_PROXY", "no_proxy")


@dataclass(frozen=True)
class Ground:
    """`wheel` is the built file; `env` what a reader's shell has in it before any page."""

    folder: Path
    wheel: Path
    env: dict[str, str]

    def checkout(self, name: str) -> Path:
        """A fresh one, with the files in it that pages take for granted."""
        target = clone(self.folder / name / "dropml")
        (target / "dist").mkdir()
        shutil.copy2(self.wheel, target / "dist" / self.wheel.name)
        (target / "people.csv").write_bytes(small_table())
        (target / "train.py").write_text(TRAIN, encoding="utf-8")
        return target


def lay(folder: Path) -> Ground:
    """Some ten seconds: a wheel is built and installed as the README says."""
    azurite.install()
    env = _environment(folder)
    first = clone(folder / "built" / "dropml")
    _do(["make", "--no-print-directory", "wheel"], first, env)
    wheel = first / "dist" / WHEEL
    _do(["python", "-m", "pip", "install", "--quiet", f"{wheel}[local]"], folder, env)
    return Ground(folder, wheel, env)


def clone(target: Path) -> Path:
    """The files of the repository. Its environment and Azurite are the ones that are here, as after `make setup-dev`."""
    shutil.copytree(ROOT, target, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_CLONED))
    for asked in (
        *(target / "requirements").glob("*.lock"),
        target / "dropml" / "azurite" / "package-lock.json",
    ):
        os.utime(asked, (0, 0))  # older than what make has written down of them
    (target / ".venv").symlink_to(sys.prefix)
    (target / ".dropml").mkdir()
    (target / ".dropml" / "azurite").symlink_to((ROOT / ".dropml" / "azurite").resolve())
    return target


def _environment(folder: Path) -> dict[str, str]:
    packages = sysconfig.get_path("purelib")
    place = folder / "venv"
    venv.create(place, with_pip=True)
    site = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "packages.pth").write_text(f"{packages}\n", encoding="utf-8")
    home = folder / "home"
    cache = home / ".cache" / "dropml" / ".dropml"
    cache.mkdir(parents=True)
    (cache / "azurite").symlink_to((ROOT / ".dropml" / "azurite").resolve())
    (home / ".curlrc").write_text("fail-with-body\n", encoding="utf-8")  # an error answered is an error
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(place / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]),
        "PYTHONPATH": packages,  # for environments that a page makes
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "BUDGET": "10",
        "TRIALS": "1",
        "MINUTES": "1",  # both of samples/
    }


def _do(command: list[str], folder: Path, env: dict[str, str]) -> None:
    path = shutil.which(command[0], path=env["PATH"]) or command[0]
    done = subprocess.run(
        [path, *command[1:]], cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
