"""Access keys: master, host, per function, system; kept in one file, compared in constant time."""

from __future__ import annotations

import fcntl
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dropml.common import private
from dropml.functions_host.errors import ConfigError

BLOBS_EXTENSION = "blobs_extension"


@dataclass(frozen=True)
class KeyRing:
    """The keys that open this app. `functions` maps a lower-case name to its keys."""

    master: str
    host: tuple[str, ...]
    functions: dict[str, tuple[str, ...]]
    system: dict[str, str]

    def opens(self, level: str, function: str, key: str | None) -> bool:
        """True if `key` opens `function` at level anonymous, function or admin."""
        if level == "anonymous":
            return True
        if key is None:
            return False
        candidates = [self.master]
        if level == "function":
            candidates += [*self.host, *self.functions.get(function.lower(), ())]
        return _any_equal(key, candidates)

    def is_master(self, key: str | None) -> bool:
        return key is not None and _any_equal(key, [self.master])

    def opens_system(self, extension: str, key: str | None) -> bool:
        """True if `key` is the extension's system key, or the master key."""
        return key is not None and _any_equal(key, [self.master, self.system[extension]])

    def all(self) -> list[str]:
        """Every key, for masking."""
        named = [key for keys in self.functions.values() for key in keys]
        return [self.master, *self.host, *named, *self.system.values()]


def _any_equal(key: str, candidates: Iterable[str]) -> bool:
    given = key.encode()
    # No short cut: the time taken must not tell which key came close.
    equal = [hmac.compare_digest(given, candidate.encode()) for candidate in candidates]
    return any(equal)


def load_or_create(path: Path, functions: Iterable[str]) -> KeyRing:
    """Read the key file, adding random keys for whatever it lacks; made (mode 0600) if absent.

    Raises ConfigError if the file isn't of the form {"master", "default", "functions", "system"}.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two hosts may start at once, and must agree on the new keys
        return _load_or_create(path, functions)


def _load_or_create(path: Path, functions: Iterable[str]) -> KeyRing:
    document: dict[str, object] = {}
    if path.exists():
        try:
            document = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read as JSON: {error}. Delete it to have new keys made."
            ) from error
    try:
        ring, complete = _complete(document, functions)
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f'{path} must look like {{"master": "...", "default": "...", "functions": {{"name": {{"default":'
            f' "..."}}}}}} with keys that aren\'t empty: {error}'
        ) from error
    if complete != document:
        private.write_json(path, complete)
    return ring


def _complete(document: dict[str, object], functions: Iterable[str]) -> tuple[KeyRing, dict[str, object]]:
    named = {str(name): dict(keys) for name, keys in dict(document.get("functions") or {}).items()}  # type: ignore[call-overload]
    known = {name.lower() for name in named}
    for function in functions:
        if function.lower() not in known:
            named[function] = {"default": _new_key()}
    system = dict(document.get("system") or {})  # type: ignore[call-overload]
    system.setdefault(BLOBS_EXTENSION, _new_key())
    master, default = document.get("master") or _new_key(), document.get("default") or _new_key()
    complete = {**document, "master": master, "default": default, "functions": named, "system": system}
    ring = KeyRing(
        master=str(master),
        host=(str(default),),
        functions={name.lower(): tuple(str(key) for key in keys.values()) for name, keys in named.items()},
        system={str(name): str(key) for name, key in system.items()},
    )
    if not all(ring.all()):
        raise ValueError("an empty key")
    return ring, complete


def _new_key() -> str:
    return secrets.token_urlsafe(40)
