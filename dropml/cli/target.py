"""Which application the commands ask, and with which key: flags, the environment, the stack here, the configuration file."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dropml.cli.stopping import Code, Stop
from dropml.common.folders import COMMAND, HOME

INCOMING = "incoming"


@dataclass(frozen=True)
class Target:
    """`base` ends in `/api`; `storage` is a connection string, or the URL of a blob service that an identity opens."""

    base: str
    key: str
    storage: str = ""
    container: str = INCOMING
    #: Where it was found, for whoever asks why.
    source: str = ""

    @property
    def local(self) -> bool:
        """Whether it is the stack on this machine."""
        return urlsplit(self.base).hostname in ("localhost", "127.0.0.1", "::1")


def configuration() -> Path:
    """The configuration file, there or not."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "dropml" / "config.toml"


def find(url: str = "", key: str = "", profile: str = "") -> Target | None:
    """The first of the places that names one; a profile that is asked for by name comes before the environment. Raises Stop."""
    environ = os.environ
    storage, container = environ.get("DROPML_STORAGE", ""), environ.get("DROPML_CONTAINER", INCOMING)
    if url:
        return Target(_base(url), key or environ.get("DROPML_KEY", ""), storage, container, "--url")
    if profile:
        return _with_key(_profile(configuration(), profile), key)
    if environ.get("DROPML_URL"):
        given = key or environ.get("DROPML_KEY", "")
        return Target(_base(environ["DROPML_URL"]), given, storage, container, "DROPML_URL")
    found = local_stack() or (_profile(configuration(), "default") if configuration().is_file() else None)
    return _with_key(found, key) if found else None


def _with_key(target: Target, key: str) -> Target:
    return Target(target.base, key, target.storage, target.container, target.source) if key else target


def local_stack() -> Target | None:
    """The stack that was started here last: `.dropml/stack.json` below the current folder, else the package's own."""
    for home in dict.fromkeys((Path.cwd() / ".dropml", HOME)):
        path = home / "stack.json"
        if path.is_file():
            return _of_stack(path)
    return None


def _of_stack(path: Path) -> Target:
    try:
        places = json.loads(path.read_text(encoding="utf-8"))
        keys = json.loads((path.parent / "keys.json").read_text(encoding="utf-8"))
        return Target(
            _base(places["host_url"]), str(keys["default"]), str(places["storage"]), INCOMING, str(path)
        )
    except FileNotFoundError as error:
        raise Stop(
            f"The stack of {path.parent} has no keys yet: it never started.", f"{COMMAND} up"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Stop(f"{path} can't be read ({type(error).__name__}).", f"{COMMAND} up") from error


def _profile(path: Path, name: str) -> Target:
    """Of `[name]` in the configuration file, which only its owner may read, for it holds a key."""
    if not path.is_file():
        raise Stop(
            f"There is no {path}, so no profile {name!r}.",
            f"write [{name}] with url and key into it",
            Code.USAGE,
        )
    if path.stat().st_mode & 0o077:
        raise Stop(f"{path} holds a key and can be read by others.", f"chmod 600 {path}")
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Stop(f"{path} can't be read: {error}.", f"mend {path}", Code.USAGE) from error
    found = document.get(name)
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        known = ", ".join(n for n, v in document.items() if isinstance(v, dict)) or "none"
        raise Stop(
            f"{path} has no profile {name!r} with a url; it has: {known}.",
            f"write [{name}] with url and key into {path}",
            Code.USAGE,
        )
    values = {k: str(v) for k, v in found.items()}
    return Target(
        _base(values["url"]),
        values.get("key", ""),
        values.get("storage", ""),
        values.get("container", INCOMING),
        f"{path}, [{name}]",
    )


def _base(url: str) -> str:
    """With `/api` at its end, where the app's routes begin."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Stop(f"{url!r} is no address of an app.", "dropml --help", Code.USAGE)
    bare = url.rstrip("/")
    return bare if bare.endswith("/api") else f"{bare}/api"
