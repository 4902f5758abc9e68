"""What the scoring path knows of a dataset: where its model answers, which versions share the traffic, what rows it takes.

Read from `dropml-state/serving/{slug}.json`, written by the promotion service.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from shared.domain.rows.validation import RowValidator
from shared.domain.schema import Schema


@dataclass(frozen=True)
class Target:
    """An endpoint to call: its name, scoring URI, and how it authenticates (`key` or `aad_token`)."""

    endpoint: str
    scoring_uri: str
    auth_mode: str = "key"

    @property
    def base(self) -> str:
        """The endpoint's root URL, where /swagger.json lives."""
        return self.scoring_uri.removesuffix("/score").rstrip("/")


@dataclass(frozen=True)
class Version:
    """What stands behind a deployment."""

    run_id: str
    model: str


@dataclass(frozen=True)
class ServingEntry:
    """One dataset in service."""

    dataset: str
    slug: str
    target: Target
    traffic: dict[str, int]
    deployments: dict[str, Version]
    live: str
    schema: Schema
    updated_at: Any = None
    document: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def from_dict(doc: dict[str, Any]) -> ServingEntry:
        return ServingEntry(
            dataset=doc["dataset"],
            slug=doc["slug"],
            target=Target(doc["endpoint"], doc["scoring_uri"], doc.get("auth_mode", "key")),
            traffic=dict(doc.get("traffic") or {}),
            deployments={
                name: Version(d.get("run_id", ""), d.get("model", ""))
                for name, d in (doc.get("deployments") or {}).items()
            },
            live=doc["live"],
            schema=Schema.from_dict(doc["schema"]),
            updated_at=doc.get("updated_at"),
            document=doc,
        )

    @cached_property
    def validator(self) -> RowValidator:
        return RowValidator(self.schema)

    @cached_property
    def _weights(self) -> tuple[list[str], list[int]]:
        shared = [(name, weight) for name, weight in sorted(self.traffic.items()) if weight > 0]
        return [name for name, _ in shared], [weight for _, weight in shared]

    @cached_property
    def shared(self) -> bool:
        """Whether two versions share the traffic now: a canary."""
        return len(self._weights[0]) > 1

    def draw(self) -> str:
        """A deployment, drawn by the endpoint's weights; the live one where no weight is set."""
        names, weights = self._weights
        if len(names) < 2:
            return names[0] if names else self.live
        return random.choices(names, weights)[0]

    def version(self, deployment: str) -> Version:
        return self.deployments.get(deployment, Version("", ""))
