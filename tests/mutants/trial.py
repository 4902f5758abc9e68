"""One mutant against its tests, in a forked process that has the packages loaded already."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import azure.storage.blob
import hypothesis
import msgspec
import psutil
import pytest

#: Loaded before the first fork, so that no trial pays for them.
LOADED = (azure.storage.blob, hypothesis, msgspec, psutil)
#: What plugins would cost a trial, and what would write to the disk.
_PLUGINS = ("randomly", "cacheprovider", "xdist", "pytest_cov", "schemathesis", "anyio")


@dataclass(frozen=True, slots=True)
class Trial:
    """These tests, run while the module `name` is `tree` (None: as it is), for `seconds` at most."""

    name: str
    tree: ast.Module | None
    tests: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    passed: bool
    seconds: float


def run(trials: Sequence[Trial], ends: float, workers: int = 2) -> list[bool | None]:
    """Whether each one's tests passed; None for those that were not begun at `ends` (monotonic time)."""
    return [None if found is None else found.passed for found in timed(trials, ends, workers)]


def timed(trials: Sequence[Trial], ends: float, workers: int = 2) -> list[Outcome | None]:
    """As `run`, with the seconds that each took."""
    outcomes: list[Outcome | None] = [None] * len(trials)
    running: dict[int, tuple[int, float, float]] = {}
    waiting = iter(enumerate(trials))
    while True:
        while len(running) < workers and time.monotonic() < ends and (chosen := next(waiting, None)):
            index, trial = chosen
            began = time.monotonic()
            running[_begun(trial)] = index, began, began + trial.seconds
        if not running:
            return outcomes
        for child, (index, began, deadline) in list(running.items()):
            passed = _passed(child, deadline)
            if passed is not None:
                outcomes[index] = Outcome(passed, time.monotonic() - began)
                del running[child]
        time.sleep(0.02)


def _begun(trial: Trial) -> int:
    child = os.fork()
    if child == 0:
        os._exit(_child(trial.name, trial.tree, trial.tests))
    return child


def _passed(child: int, deadline: float) -> bool | None:
    """None while it runs; one that takes too long has not passed."""
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        return os.waitstatus_to_exitcode(status) == 0
    if time.monotonic() < deadline:
        return None
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _child(name: str, tree: ast.Module | None, tests: Sequence[str]) -> int:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        if tree is not None:
            sys.meta_path.insert(0, _Finder(name, tree))
        options = [option for plugin in _PLUGINS for option in ("-p", f"no:{plugin}")]
        loaded = "ignore::pytest.PytestAssertRewriteWarning"  # for what was loaded before the fork
        return int(pytest.main(["-x", "-q", "-W", loaded, *options, *tests]))
    except BaseException:  # noqa: BLE001 - whatever it is, the tests didn't pass
        return 1


class _Loader(importlib.abc.Loader):
    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._tree, module.__name__, "exec"), vars(module))  # noqa: S102 - our own source, changed


class _Finder(importlib.abc.MetaPathFinder):
    """Gives one module from its tree, every other one as ever."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self._name, self._tree = name, tree

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        is_package = any((Path(folder) / fullname.rpartition(".")[2]).is_dir() for folder in path or ())
        return importlib.machinery.ModuleSpec(fullname, _Loader(self._tree), is_package=is_package)
