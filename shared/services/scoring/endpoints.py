"""Endpoints by their own names: which dataset one serves, and its swagger."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.errors import InvalidInput, NotFound
from shared.domain.run.serving import ServingEntry, Target
from shared.services.scoring.calling import Answer, EndpointCalls
from shared.services.scoring.described import described
from shared.services.scoring.proxy import ServingDirectory
from shared.services.scoring.statuses import check

SWAGGER_SECONDS = 10.0


@dataclass
class Endpoints:
    """Endpoints that are in service, by name. Thread-safe."""

    directory: ServingDirectory
    calls: EndpointCalls

    def entry(self, name: str) -> ServingEntry:
        """Raises NotFound: only endpoints that serve a dataset can be reached through here."""
        for entry in self.directory.all():
            if entry.target.endpoint == name:
                return entry
        raise NotFound(
            f"No endpoint {name[:80]!r} is in service.",
            remedy="GET /api/datasets names the endpoint of each dataset.",
            code="unknown-endpoint",
        )

    def swagger(self, name: str, version: str) -> Answer:
        """The endpoint's own swagger: OpenAPI 2 as Azure serves it, or 3 with `version` "3".

        One that says nothing of what it takes is told the dataset's columns.
        """
        if version not in ("", "2", "3"):
            raise InvalidInput(
                "The swagger comes in version 2 or 3.", code="unknown-version", field="version"
            )
        entry = self.entry(name)
        target = entry.target
        path = "/swagger.json" + ("?version=3" if version == "3" else "")
        answer = self.calls.get(target, path, deadline=self.calls.deadline(SWAGGER_SECONDS))
        check(answer, target)
        return replace(answer, body=described(answer.body, entry.schema_of(entry.newest)))


def target_of(endpoint: str, scoring_uri: str, auth_mode: str) -> Target:
    """A target from Azure's own words for the auth mode (`Key`, `AADToken`, `AMLToken`)."""
    return Target(endpoint, scoring_uri, "key" if auth_mode.lower() == "key" else "aad_token")
