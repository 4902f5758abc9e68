"""What is written down of a stack: where its parts are, and which processes they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dropml.common import private
from dropml.common.folders import HOME, ROOT
from dropml.common.processes import Child, StartError

__all__ = ["HOME", "PARTS", "ROOT", "Places", "Stack", "Started", "load"]

#: The order in which the parts are stopped: nobody is left to call what is gone.
PARTS = ("host", "azureml", "azurite", "host-storage")


@dataclass(frozen=True)
class Started:
    """What finds a process again, and tells it from a later one with the same id."""

    pid: int
    created: float

    @classmethod
    def of(cls, child: Child) -> Started:
        return cls(child.pid, child.started)

    def find(self) -> Child | None:
        """The process, if it still runs."""
        return Child.adopt(self.pid, self.created)


@dataclass(frozen=True)
class Places:
    """`stack.json`: where everything is. Ports, header, secret and instrumentation key are the same at the next start.

    `settings` are the application's as they were written last: what differs from them in the file is a person's.
    """

    storage: str
    emulator_port: int
    ingestion_port: int
    host_port: int
    host_url: str
    ca: str
    identity_header: str
    instrumentation_key: str
    processes: dict[str, Started]
    emulator_secret: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    #: The Functions host's own account, as in Azure: locks, timers and messages, apart from people's data and the app's state.
    host_storage: str = ""

    @classmethod
    def read(cls, path: Path) -> Places:
        """Raises StartError if the file isn't what a stack writes."""
        try:
            document = json.loads(path.read_text())
            started = {name: Started(**record) for name, record in document.pop("processes").items()}
            return cls(**document, processes=started)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StartError(
                f"{path} can't be read ({type(error).__name__}: {error}). Delete it and start again: keys and"
                " data are kept elsewhere, and what runs is found without it."
            ) from error


@dataclass(frozen=True)
class Stack:
    """A stack under `home`, running or not."""

    home: Path
    places: Places

    @property
    def api(self) -> str:
        return f"{self.places.host_url}/api"

    @property
    def key(self) -> str:
        """The function key."""
        return str(json.loads((self.home / "keys.json").read_text())["default"])

    @property
    def storage(self) -> str:
        """Azurite's connection string."""
        return self.places.storage

    @property
    def gone(self) -> list[str]:
        """The parts that don't run."""
        started = self.places.processes
        return [name for name in PARTS if name not in started or not started[name].find()]

    @property
    def running(self) -> bool:
        return not self.gone

    def note(self, name: str, child: Child) -> Stack:
        """Write a process down as soon as it is there."""
        return self.keep(processes={**self.places.processes, name: Started.of(child)})

    def keep(self, **changes: object) -> Stack:
        """Write changed places down."""
        kept = replace(self, places=replace(self.places, **changes))  # type: ignore[arg-type]
        private.write_json(self.home / "stack.json", asdict(kept.places))
        return kept


def load(home: Path) -> Stack | None:
    """What was started under `home` last; None if nothing was. Raises StartError."""
    path = home / "stack.json"
    return Stack(home, Places.read(path)) if path.is_file() else None
