"""Faults planted in the templates, each a slip that somebody could make, and words of the finding that it must cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    old: str
    new: str
    told: str
    #: Whether it takes Microsoft's types to see it.
    by_types: bool = False

    def applied(self, files: Mapping[str, str]) -> dict[str, str]:
        if self.old not in files[self.file]:
            raise AssertionError(f"{self.name}: {self.old!r} is not in {self.file} any more")
        return {**files, self.file: files[self.file].replace(self.old, self.new, 1)}


APP, DATA, ML = "modules/app.bicep", "modules/storage.bicep", "modules/workspace.bicep"
ROLES, MAIN = "modules/roles.bicep", "main.bicep"
ALERTS, TOPIC, MONITORING = "modules/alerts.bicep", "modules/eventgrid.bicep", "modules/monitoring.bicep"
