"""No registry has this package: what a stack here needs is installed from the checkout or the wheel that is there."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from dropml import __version__
from dropml.cli import failures, installing
from dropml.cli.stopping import Stop

ROOT = Path(__file__).resolve().parents[2]


class Installed:
    """The distribution with what pip has written down of where it came from; `url` None: nothing."""

    def __init__(self, url: str | None) -> None:
        self.url = url

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return json.dumps({"url": self.url, "archive_info": {}}) if self.url is not None else None


def told(monkeypatch: pytest.MonkeyPatch, url: str | None) -> str:
    monkeypatch.setattr(installing, "CHECKOUT", False)
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(url))
    stop = failures.explain(ModuleNotFoundError(name="psutil"), None)
    assert isinstance(stop, Stop)
    return stop.then


def test_the_hint_is_the_command_of_the_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    named = f'pip install "path/to/dist/dropml-{__version__}-py3-none-any.whl[local]"'
    assert told(monkeypatch, None) == named
    assert named in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_hint_names_the_file_that_it_was_installed_from(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(monkeypatch, "file:///home/ann/my%20files/dropml-0.1.0-py3-none-any.whl")
    assert found == 'pip install "/home/ann/my files/dropml-0.1.0-py3-none-any.whl[local]"'
    assert told(monkeypatch, "https://example.org/dropml.whl").startswith('pip install "path/to/dist/')


def test_in_a_checkout_it_is_what_sets_the_checkout_up() -> None:
    assert installing.local_set() == "make setup"


def test_no_text_asks_a_registry_for_the_package() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "dropml").rglob("*.py")]
    assert [text for text in sources if 'pip install "dropml[' in text or "pip install dropml[" in text] == []
