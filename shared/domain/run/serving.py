"""What the scoring path knows of a dataset: where its model answers, which versions share the traffic, what rows it takes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cached_property

from shared.domain.rows.validation import RowValidator
from shared.domain.schema import Schema


@dataclass(frozen=True)
class Target:
    """An endpoint: its name, and how it authenticates (`key` or `aad_token`).

    The scoring URI tells people where it is; calls go where Azure says that it is.
    """

    endpoint: str
    scoring_uri: str
    auth_mode: str = "key"


@dataclass(frozen=True)
class Version:
    """What stands behind a deployment."""

    run_id: str = ""
    model: str = ""
    #: What it was trained on, where that is not the dataset's schema of now: two versions may share the traffic.
    schema: Schema | None = None
    #: `script` answers probabilities and takes parameters; `no_code` (all of earlier releases) answers labels alone.
    mode: str = "no_code"
    #: In force for this version's answers; None: the model decides.
    threshold: float | None = None


@dataclass(frozen=True)
class ServingEntry:
    """One dataset in service: `dropml-state/serving/{slug}.json`. `traffic` is in percent."""

    dataset: str
    slug: str
    endpoint: str
    scoring_uri: str
    live: str
    schema: Schema
    auth_mode: str = "key"
    traffic: dict[str, int] = field(default_factory=dict)
    deployments: dict[str, Version] = field(default_factory=dict)
    #: Unix seconds; names the split of the traffic.
    updated_at: float = 0.0
    #: Whether calls are counted although one version has all of them: it went live a moment ago.
    watched: bool = False
    #: Whether its deployment was taken away because nobody called; a call brings it back.
    asleep: bool = False
    schema_version: int = 1

    @cached_property
    def target(self) -> Target:
        return Target(self.endpoint, self.scoring_uri, self.auth_mode)

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

    @property
    def sharing(self) -> list[str]:
        """The deployments that have traffic."""
        return self._weights[0]

    @property
    def script(self) -> str | None:
        """A deployment with traffic that answers probabilities; None where none does."""
        return next(
            (name for name in self._weights[0] or [self.live] if self.version(name).mode == "script"), None
        )

    @property
    def counted(self) -> bool:
        """Whether calls are counted by deployment."""
        return self.watched or self.shared

    def draw(self) -> str:
        """A deployment, drawn by the endpoint's weights; the live one where no weight is set."""
        names, weights = self._weights
        if len(names) < 2:
            return names[0] if names else self.live
        return random.choices(names, weights)[0]

    def schema_of(self, deployment: str) -> Schema:
        """The columns and types that this deployment takes."""
        return self.version(deployment).schema or self.schema

    @cached_property
    def newest(self) -> str:
        """The deployment that rows of the dataset's schema are meant for."""
        return next((name for name in self._weights[0] if self.version(name).schema is None), self.live)

    def version(self, deployment: str) -> Version:
        return self.deployments.get(deployment, Version())
