"""A real browser for tests: Chromium, where it and playwright are there; and what a page asked for and complained of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def needed() -> Any:
    """Playwright's own module; skips the test module where the browser or its driver is missing."""
    module = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("Chromium is not installed", allow_module_level=True)
    return module


class Visit:
    """One page, what it asked the network for, and what it complained of. SCREENSHOTS names a folder for pictures."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requested: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @cached_property
    def mirror(self) -> Any:
        """Another page of the same width and colours that runs scripts, in a browser that knows nobody."""
        scheme = (
            "dark" if self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
        )
        context = self.page.context.browser.new_context(
            viewport=self.page.viewport_size, color_scheme=scheme, bypass_csp=True
        )
        return context.new_page()

    def picture(self, name: str, *, whole: bool = False) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder, f"{name}.png")), full_page=whole, timeout=120_000)


@contextmanager
def visiting(
    width: int = 1200, *, scheme: str = "light", script: bool = True, **more: Any
) -> Iterator[Visit]:
    """A fresh browser with nothing kept from any other."""
    with needed().sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script, **more
        )
        page = context.new_page()
        page.set_default_timeout(60_000)
        yield Visit(page)
        browser.close()
