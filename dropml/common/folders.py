"""Where this package stands, and so where its parts are: in a checkout, or installed from a wheel."""

from __future__ import annotations

import os
from pathlib import Path

#: What is put on a child's path so that it finds this package.
ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = (ROOT / "pyproject.toml").is_file() and (ROOT / "function_app.py").is_file()
#: The application that the Functions host loads: a wheel carries it beside the commands.
APP = ROOT if CHECKOUT else ROOT / "dropml" / "_app"
#: Of a stack's state: in the checkout, else where the command is given.
HOME = (ROOT if CHECKOUT else Path.cwd()) / ".dropml"
#: How a person starts something here.
COMMAND = "make" if CHECKOUT else "dropml"


def azurite_root() -> Path:
    """Azurite is installed below it: in the checkout, or among the user's caches, once for all folders."""
    if CHECKOUT:
        return ROOT
    return of_user()


def of_user() -> Path:
    """Among the user's caches: what all checkouts and folders share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dropml"
