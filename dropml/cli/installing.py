"""How what a stack on this machine needs is installed: no registry has this package, so it is named by its path."""

from __future__ import annotations

import json
from importlib import metadata
from urllib.parse import unquote, urlsplit

from dropml import __version__
from dropml.common.folders import CHECKOUT


def local_set() -> str:
    """The command. Names the wheel or the folder that this package was itself installed from, where pip wrote that down."""
    if CHECKOUT:
        return "make setup"
    where = _origin() or f"path/to/dist/dropml-{__version__}-py3-none-any.whl"
    return f'pip install "{where}[local]"'


def _origin() -> str:
    try:
        written = metadata.distribution("dropml").read_text("direct_url.json")
        address = urlsplit(str(json.loads(written or "{}").get("url") or ""))
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        return ""
    return unquote(address.path) if address.scheme == "file" else ""
