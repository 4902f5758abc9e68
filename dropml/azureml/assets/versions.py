"""What data, models, components and code share: versions, in containers that appear by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, bad_request, reply
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import VERSION_NAME, check_name, json_body, properties_of
from dropml.azureml.core.listing import Fits, Of, conditions
from dropml.azureml.core.resources import Resources, archived
from dropml.azureml.core.store import Doc


class Versions(Resources):
    """One kind of versioned asset, whose containers are a collection of their own."""

    names = ("name", "version")
    version_name = VERSION_NAME
    container_verbs: tuple[str, ...] = ("GET",)
    #: What a container answers for tags and properties that nobody set.
    unset: Doc | None = {}  # noqa: RUF012 - replaced, never changed
    #: Properties of the latest version that its container shows, too.
    shown_above: tuple[str, ...] = ()

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.containers = Containers(self)

    def by_id(self, arm_id: str) -> Doc | None:
        """The version that an ARM id, also of a label, `azureml:name:version` or `name@latest` names."""
        text = self.c.arm_name(arm_id, self.segments[0])
        if text is None:
            return None
        text = text.replace("/labels/", "@")
        name, _, version = text.partition("/versions/")
        if not version and "@" in text:
            name, _, label = text.partition("@")
            latest = (self.containers.get_doc(name) or {}).get("latest") if label == "latest" else None
            return self.get_doc(f"{name}/{latest}") if latest else None
        if not version:
            name, _, version = text.partition(":")
        return self.get_doc(f"{name}/{version}")

    def container_of_the_service(self, _name: str) -> Doc | None:
        """The container of an asset that every workspace has without anybody's making it."""
        return None

    def own_name(self, name: str) -> None:
        """400 for a name that is the service's own, or none."""
        check_name(self.label, name)
        if self.container_of_the_service(name) is not None:
            raise bad_request(
                f"The {self.label} name {name} can't be used: names that begin with AzureML- are the service's own."
            )

    def missing_container(self, name: str) -> ArmError:
        """The 404 of a name that has no version."""
        return self.missing(name)

    def named(self, request: Request) -> tuple[str, str]:
        """Name and version of a PUT, checked."""
        name, version = request.path_params["name"], request.path_params["version"]
        self.own_name(name)
        check_name(f"{self.label} version", version, self.version_name)
        return name, version

    def save(self, name: str, version: str, properties: Doc, **extra: object) -> tuple[Doc, bool]:
        """Insert, or update what may change; (document, is it new)."""
        with self.c.store.transaction():
            doc: Doc = {
                "name": name,
                "version": version,
                "properties": properties,
                "archived": bool(properties.get("isArchived")),
                **self.dated(self.get_doc(f"{name}/{version}")),
                **extra,
            }
            new = self.put_doc(doc)
            if new:
                self.containers.remember(name, version, doc["modified"])
        return doc, new

    def where(self, request: Request) -> dict[str, Any]:
        return archived(request)

    def filters(self, query: Mapping[str, str]) -> list[Fits]:
        def of(word: str) -> Of:
            return lambda doc: doc["properties"].get(word)

        values = {
            "version": lambda doc: doc["version"],
            "description": of("description"),
            "stage": of("stage"),
        }
        tags, properties = of("tags"), of("properties")
        return conditions(query, values, {"tags": tags, "$tags": tags, "properties": properties})

    async def all(self, request: Request) -> Response:
        self.containers.find(request.path_params["name"])
        return await super().all(request)

    def remove(self, key: str) -> bool:
        name = key.partition("/")[0]
        with self.c.store.transaction():
            found = super().remove(key)
            left = self.c.store.find(self.kind, parent=name, limit=1)
            if found:
                self.containers.settle(name, left[0][2]["version"] if left else None)
            return found

    def routes(self) -> list[Route]:
        return [*(self.containers.routes() if self.container_verbs else ()), *super().routes()]


class Containers(Resources):
    """The names of one kind of asset: the latest version of each, the next number, archiving."""

    def __init__(self, versions: Versions) -> None:
        super().__init__(versions.c)
        self._versions = versions
        self.kind, self.label = f"{versions.kind}-container", versions.label
        self.segments, self.verbs = versions.segments[:1], versions.container_verbs

    def get_doc(self, key: str) -> Doc | None:
        return super().get_doc(key) or self._versions.container_of_the_service(key)

    def missing(self, key: str) -> ArmError:
        return self._versions.missing_container(key)

    def remember(self, name: str, version: str, now: float) -> None:
        """This version is the latest, and the next number follows the highest."""
        found = self.get_doc(name) or {
            "name": name, "created": now, "description": None, "tags": {}, "properties": {}, "archived": False,
            "highest": 0,
        }  # fmt: skip
        number = int(version) if version.isascii() and version.isdigit() else 0
        self.put_doc(found | {"latest": version, "modified": now, "highest": max(found["highest"], number)})

    def next_version(self, name: str) -> str:
        """What follows the highest number of the name."""
        found = self.get_doc(name)
        return str(found["highest"] + 1 if found else 1)

    def settle(self, name: str, latest: str | None) -> None:
        """After a version's end: another is the latest, or the name goes, too."""
        if latest is None:
            super().remove(name)
        else:
            self.c.store.update(self.kind, name, lambda doc: doc.update(latest=latest))

    def shape(self, doc: Doc) -> Doc:
        latest = self._versions.get_doc(f"{doc['name']}/{doc['latest']}") if doc.get("latest") else None
        properties = {
            "description": doc["description"],
            "tags": doc["tags"] or self._versions.unset,
            "properties": doc["properties"] or self._versions.unset,
            "isArchived": doc["archived"],
            "latestVersion": doc.get("latest"),
            "nextVersion": str(doc["highest"] + 1),
        }
        for key in self._versions.shown_above:
            properties[key] = latest["properties"].get(key) if latest else None
        return self.envelope(doc, properties)

    def where(self, request: Request) -> dict[str, Any]:
        return archived(request)

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._versions.own_name(name)
        given = properties_of(await json_body(request))
        before = self.get_doc(name)
        doc = (before or {"name": name, "highest": 0}) | {
            "description": given.get("description"),
            "tags": given.get("tags") or {},
            "properties": given.get("properties") or {},
            "archived": bool(given.get("isArchived")),
            **self.dated(before),
        }
        return reply(self.shape(doc), 201 if self.put_doc(doc) else 200)

    def remove(self, key: str) -> bool:
        with self.c.store.transaction():
            for _, version, _ in self.c.store.find(self._versions.kind, parent=key):
                self.c.store.delete(self._versions.kind, version)
            return super().remove(key)


def common(given: Doc) -> Doc:
    """The properties that every version has and a later PUT may change."""
    return {
        "description": given.get("description"),
        "tags": given.get("tags") or {},
        "properties": given.get("properties") or {},
        "isArchived": bool(given.get("isArchived")),
        "isAnonymous": bool(given.get("isAnonymous")),
    }


def paths_fixed() -> ArmError:
    """A version put again with another path. azure-ai-ml compares this text literally (`ASSET_PATH_ERROR`)."""
    return ArmError(400, "Asset paths cannot be updated.", inner=["BadArgument", "AssetPathImmutable"])
