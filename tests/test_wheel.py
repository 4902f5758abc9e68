"""The wheel carries the commands, the engine and the application, and works in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make wheel` builds it."""
    target = tmp_path_factory.mktemp("dist")
    command = [
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(target),
        ".",
    ]
    subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True, timeout=300)
    (found,) = target.glob("dropml-*.whl")
    return found


def test_the_wheel_has_the_application_whole_and_nothing_of_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "dropml = dropml.cli.app:main" in archive.read(entry).decode()
    files = [
        path
        for room in ("functions", "shared", "scorer")
        for path in (ROOT / room).rglob("*")
        if path.is_file()
    ]
    app = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    app = {name for name in app if not name.startswith("scorer/swagger")}  # what serving leaves there
    assert {
        f"dropml/_app/{name}" for name in {*app, "function_app.py", "host.json", "infra/promote.py"}
    } <= names
    assert {"dropml/azurite/package-lock.json", "dropml/cli/app.py", "scorer/score.py"} <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dropml", "scorer"}
    assert not [
        name for name in names if "__pycache__" in name or "node_modules" in name or "/tests/" in name
    ]


def test_it_is_installed_with_four_packages_alone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    base = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert len(base) == 4
    assert {line for line in lines if line.startswith("Provides-Extra")} == {
        "Provides-Extra: emulator",
        "Provides-Extra: local",
    }
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    script = """
from dropml.common.folders import APP, CHECKOUT, HOME
print(CHECKOUT, HOME, (APP / "function_app.py").is_file())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(unpacked)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", str(tmp_path / ".dropml"), "True"]


@pytest.mark.slow
def test_in_an_empty_folder_the_demo_runs_and_a_dropped_file_is_served(wheel: Path, tmp_path: Path) -> None:
    """A fresh environment and nothing of this checkout: install, demo, drop, runs, score, down."""
    venv.create(tmp_path / "venv", with_pip=True)
    python, folder = tmp_path / "venv" / "bin" / "python", tmp_path / "folder"
    folder.mkdir()
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", f"{wheel}[local]"], timeout=1200, check=False
    )
    if done.returncode:
        pytest.skip("the packages can't be had from here")
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def dropml(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(tmp_path / "venv" / "bin" / "dropml"), *words]
        return subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=900, check=False
        )

    rows = [f"{i * 7 % 101},{i * 13 % 997},{'yes' if i * 7 % 101 > 50 else 'no'}" for i in range(240)]
    (folder / "people.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    try:
        demo = dropml("demo", "--data", "people.csv", "--budget", "10")
        assert demo.returncode == 0, demo.stdout + demo.stderr
        assert json.loads((folder / ".dropml" / "demo.json").read_text())["state"] == "live"
        dropped = dropml("drop", "people.csv", "--set", "timeout_minutes=1", "--set", "max_trials=2")
        assert dropped.returncode == 0, dropped.stdout + dropped.stderr
        assert "starting a stack here" in dropped.stderr
        assert "state     live" in dropped.stdout
        runs = dropml("runs", "-o", "jsonl")
        assert [json.loads(line)["state"] for line in runs.stdout.splitlines()] == ["live"]
        assert dropml("doctor").returncode == 0
    finally:
        assert dropml("down").returncode == 0
    assert not (tmp_path / "venv" / ".dropml").exists()
