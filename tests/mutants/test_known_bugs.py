"""Bugs that gates like this one have had can be planted, and the tests notice them. `make known-bugs` tries them all."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.mutants.known_bugs import BUGS, ROOT, Bug

#: Tried at every change: the quickest, one of what decides and one of what is asked.
QUICK = ("worse-for-want-of-rows", "first-rows-only")


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_each_can_still_be_planted_and_its_tests_are_there(bug: Bug) -> None:
    whole = ast.parse((ROOT / f"{bug.module.replace('.', '/')}.py").read_text())
    assert ast.dump(bug.planted()) != ast.dump(whole)
    assert all((ROOT / path.partition("::")[0]).is_file() for path in bug.tests)


def test_the_tests_notice() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants.known_bugs", *QUICK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert f"figure known_bugs_caught {len(QUICK)} >={len(QUICK)} ok" in done.stdout, (
        done.stdout + done.stderr
    )
    assert done.returncode == 0


def test_a_name_that_is_none_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants.known_bugs", "no-such-bug"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no no-such-bug" in done.stderr
