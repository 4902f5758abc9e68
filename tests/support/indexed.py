"""The app's functions. An app is indexed once a process: asked a second time, it finds each name taken."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import function_app


@lru_cache(maxsize=1)
def indexed_functions() -> tuple[Any, ...]:
    """What the worker finds when it indexes the app."""
    return tuple(function_app.app.get_functions())
