"""What may be used, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit import licences
from tests.audit.__main__ import LOCKS


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT License", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MPL-2.0 AND MIT", True),
        ("MIT AND GPL-2.0-or-later", False),
        ("MIT License; GNU General Public License v3 (GPLv3)", False),
        ("GNU Affero General Public License v3", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_a_licence_that_asks_something_of_us_or_is_not_known_is_refused(licence: str, allowed: bool) -> None:
    assert licences.may_be_used(licence) is allowed


def test_a_lock_names_its_packages_once_however_they_are_spelt(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(
        "typing_extensions==4.1 \\\n    --hash=sha256:aa\nZope.Interface==1 ; python_version < '3'\n# a==1\n"
    )
    assert licences.locked(lock) == {"typing-extensions", "zope-interface"}
    assert {"requests", "msgspec", "azure-functions"} <= licences.locked(LOCKS / "deployed.lock")
