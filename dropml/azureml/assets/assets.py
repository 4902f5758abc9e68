"""What data, models and components share: containers that appear by themselves, versions, archiving."""

from __future__ import annotations

from starlette.requests import Request

from dropml.azureml.core.arm import ArmError, page, resource_type, system_data, view_filter
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import VERSION_NAME, check_name
from dropml.azureml.core.store import Doc

#: Properties of a version that stay changeable; all others are fixed by the first PUT.
MUTABLE = ("description", "tags", "properties", "isArchived", "stage", "autoDeleteSetting")


class Assets:
    """One kind of versioned asset. `kind` names the documents, `collection` the segment of the URL."""

    def __init__(self, context: Context, kind: str, collection: str, types: tuple[str, ...] = ()) -> None:
        self.c, self.kind, self.collection = context, kind, collection
        self._type_keys = types

    def key(self, name: str, version: str) -> str:
        return f"{name}/{version}"

    def find(self, name: str, version: str) -> Doc | None:
        return self.c.store.get(self.kind, self.key(name, version))

    def by_id(self, arm_id: str) -> Doc | None:
        """The version that an ARM id, `azureml:name:version` or `name@latest` names."""
        text = self.c.arm_name(arm_id, self.collection)
        if text is None:
            return None
        name, _, version = text.partition("/versions/")
        if not version and "@" in text:
            name, _, label = text.partition("@")
            found = self.c.store.find(self.kind, parent=name, limit=1) if label == "latest" else []
            return found[0][2] if found else None
        if not version:
            name, _, version = text.partition(":")
        return self.find(name, version)

    def check(self, name: str, version: str) -> None:
        check_name(self.kind, name)
        check_name(f"{self.kind} version", version, VERSION_NAME)

    def save(self, name: str, version: str, properties: Doc, **extra: object) -> tuple[Doc, bool]:
        """Insert, or update what may change; (document, is it new)."""
        now = self.c.clock.now()
        with self.c.store.transaction():
            before = self.find(name, version)
            doc = {
                "name": name,
                "version": version,
                "properties": properties,
                "archived": bool(properties.get("isArchived")),
                "created": before["created"] if before else now,
                "modified": now,
                **extra,
            }
            new = self.c.store.put(self.kind, self.key(name, version), doc, parent=name)
            if new:
                self._remember_latest(name, version, now)
        return doc, new

    def _remember_latest(self, name: str, version: str, now: float) -> None:
        found = self.c.store.get(f"{self.kind}-container", name) or {
            "name": name, "created": now, "description": None, "tags": {}, "properties": {}, "archived": False,
            "highest": 0,
        }  # fmt: skip
        number = int(version) if version.isascii() and version.isdigit() else 0
        found |= {"latest": version, "modified": now, "highest": max(found["highest"], number)}
        self.c.store.put(f"{self.kind}-container", name, found)

    def version_resource(self, doc: Doc) -> Doc:
        return {
            "id": self.c.arm_id(self.collection, doc["name"], "versions", doc["version"]),
            "name": doc["version"],
            "type": resource_type(self.collection, "versions"),
            "properties": doc["properties"],
            "systemData": system_data(doc),
        }

    def container(self, name: str) -> Doc | None:
        return self.c.store.get(f"{self.kind}-container", name)

    def container_resource(self, doc: Doc) -> Doc:
        latest = self.find(doc["name"], doc["latest"]) if doc.get("latest") else None
        properties = {
            "description": doc["description"],
            "tags": doc["tags"],
            "properties": doc["properties"],
            "isArchived": doc["archived"],
            "latestVersion": doc.get("latest"),
            "nextVersion": str(doc["highest"] + 1),
        }
        for key in self._type_keys:
            properties[key] = latest["properties"].get(key) if latest else None
        return {
            "id": self.c.arm_id(self.collection, doc["name"]),
            "name": doc["name"],
            "type": resource_type(self.collection),
            "properties": properties,
            "systemData": system_data(doc),
        }

    def list_versions(self, request: Request, name: str) -> Doc:
        return page(
            request,
            self.c.store,
            self.kind,
            self.version_resource,
            base_url=self.c.settings.base_url,
            parent=name,
            archived=view_filter(request),
        )

    def list_containers(self, request: Request) -> Doc:
        return page(
            request,
            self.c.store,
            f"{self.kind}-container",
            self.container_resource,
            base_url=self.c.settings.base_url,
            archived=view_filter(request),
        )

    def update_container(self, name: str, properties: Doc) -> tuple[Doc, bool]:
        now = self.c.clock.now()
        before = self.container(name) or {"name": name, "created": now, "highest": 0}
        doc = before | {
            "description": properties.get("description"),
            "tags": properties.get("tags") or {},
            "properties": properties.get("properties") or {},
            "archived": bool(properties.get("isArchived")),
            "modified": now,
        }
        return doc, self.c.store.put(f"{self.kind}-container", name, doc)

    def delete_version(self, name: str, version: str) -> bool:
        with self.c.store.transaction():
            found = self.c.store.delete(self.kind, self.key(name, version))
            left = self.c.store.find(self.kind, parent=name, limit=1)
            if found and not left:
                self.c.store.delete(f"{self.kind}-container", name)
            elif found:
                latest = left[0][2]["version"]
                self.c.store.update(f"{self.kind}-container", name, lambda d: d.update(latest=latest))
            return found

    def delete_container(self, name: str) -> bool:
        with self.c.store.transaction():
            for _, key, _ in self.c.store.find(self.kind, parent=name):
                self.c.store.delete(self.kind, key)
            return self.c.store.delete(f"{self.kind}-container", name)


def paths_fixed() -> ArmError:
    """A version put again with another path. azure-ai-ml compares this text literally (`ASSET_PATH_ERROR`)."""
    return ArmError(400, "Asset paths cannot be updated.", inner=["BadArgument", "AssetPathImmutable"])
