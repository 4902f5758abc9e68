"""Whether the templates say what the application needs: settings, roles, containers, secrets, events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dropml.common.ncrontab import NCronTab
from shared.domain.errors import InvalidSetting
from shared.settings import Settings, read
from tests.infra import facts
from tests.infra.bicep import File, Finding
from tests.infra.template import Resource, Templates
from tests.infra.values import Opaque

STORAGE = "Microsoft.Storage/storageAccounts"
CONTAINER = f"{STORAGE}/blobServices/containers"
COMPONENT = "Microsoft.Insights/components"
WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
#: Properties on which safety or cost rests: no keys, nothing public, nothing that runs where nothing happens.
MUST_BE: tuple[tuple[str, str, Any], ...] = (
    (STORAGE, "allowSharedKeyAccess", False),
    (STORAGE, "allowBlobPublicAccess", False),
    ("Microsoft.ContainerRegistry/registries", "adminUserEnabled", False),
    (f"{WORKSPACE}/computes", "disableLocalAuth", True),
    (f"{WORKSPACE}/computes", "properties.scaleSettings.minNodeCount", 0),
    ("Microsoft.Web/sites", "httpsOnly", True),
    ("Microsoft.Web/sites/basicPublishingCredentialsPolicies", "allow", False),
)
#: Names of what opens a door, in an app setting or an output.
SECRET = re.compile(r"key|secret|password|sas(?![a-z])|token", re.IGNORECASE)


@dataclass(frozen=True)
class Roles:
    """Role assignments as (role's id, kind of scope, name of scope, whose)."""

    held: frozenset[tuple[str, str, str, str]]

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> Roles:
        return cls(
            frozenset(
                (
                    str(each.properties.get("roleDefinitionId")).rpartition("/")[2],
                    each.scope.kind if isinstance(each.scope, Resource) else "resource group",
                    each.scope.name if isinstance(each.scope, Resource) else "",
                    str(each.properties.get("principalId")),
                )
                for each in resources
                if each.kind == "Microsoft.Authorization/roleAssignments"
            )
        )


class Stage:
    """One unrolled stage (dev or prod), and what it should have said."""

    def __init__(self, templates: Templates, outputs: Mapping[str, Any]) -> None:
        self.made = [each for each in templates.resources if not each.existing]
        self.files = templates.parsed
        self.outputs = outputs

    def of(self, kind: str) -> list[Resource]:
        return [each for each in self.made if each.kind == kind]

    def check(self) -> Iterator[Finding]:
        yield from self._settings()
        yield from self._containers()
        yield from self._accounts()
        yield from self._roles()
        yield from self._runtime()
        yield from self._tags()
        yield from no_secrets(self.files.values())

    # -- settings ---------------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = next(
            (each.properties for each in self.of("Microsoft.Web/sites/config") if each.name == "appsettings"),
            {},
        )
        return found

    def missing(self) -> frozenset[str]:
        return facts.needed_by_the_code() - self.settings.keys()

    def _settings(self) -> Iterator[Finding]:
        where = "app settings"
        for name in sorted(self.missing()):
            yield Finding(where, f"{name} is not written")
        for name in sorted(self.settings.keys() - facts.read_by_the_code() - facts.PLATFORM):
            yield Finding(where, f"{name} is read by nothing")
        for name, value in self.settings.items():
            if facts.REFUSED.fullmatch(name):
                yield Finding(where, f"{name} is not taken on Flex Consumption, or holds a key")
            if name.endswith("_SCHEDULE"):
                try:
                    NCronTab.parse(str(value))
                except ValueError as error:
                    yield Finding(where, f"{name}: {error}")
        if self.settings.get("BLOB_SOURCE") != "EventGrid":
            yield Finding(where, "BLOB_SOURCE must be EventGrid: Flex Consumption knows no other")
        try:
            self.read_by_the_app()
        except InvalidSetting as error:
            yield Finding(where, error.message)

    def read_by_the_app(self) -> Settings:
        """The settings as the app itself would read them. Raises InvalidSetting."""
        return read({name: _filled(value) for name, value in self.settings.items()})

    # -- storage -----------------------------------------------------------------------------------------------

    def _account(self, name: str) -> str:
        """The account that a setting's value is of: `name` of a setting, or an endpoint of it."""
        return str(self.settings.get(name)).rpartition(f"{STORAGE}/")[2].partition(".")[0].partition("}")[0]

    @property
    def host(self) -> str:
        return str(self.settings.get("AzureWebJobsStorage__accountName"))

    @property
    def telemetry(self) -> str:
        """The Application Insights component that the app sends to."""
        connection = str(self.settings.get("APPLICATIONINSIGHTS_CONNECTION_STRING"))
        return connection.partition(f"{COMPONENT}/")[2].partition(".")[0]

    @property
    def data(self) -> str:
        return self._account("DATA_STORAGE__blobServiceUri")

    def _containers(self) -> Iterator[Finding]:
        theirs = {each.name for each in self.of(CONTAINER) if f"{STORAGE}/{self.data}/" in each.path}
        for name in ("INCOMING", "DATA", "QUARANTINE", "STATE", "BATCH"):
            wanted = self.settings.get(f"{name}_CONTAINER")
            if wanted not in theirs:
                yield Finding(
                    "containers", f"{name}_CONTAINER is {wanted}, and the data account has {sorted(theirs)}"
                )
        for name in ("INCOMING_CONTAINER", "DEAD_LETTER_CONTAINER"):
            if self.outputs.get(name) not in theirs:
                yield Finding(
                    "outputs", f"{name} is {self.outputs.get(name)!r}, which the data account doesn't have"
                )
        if self.outputs.get("INCOMING_CONTAINER") != self.settings.get("INCOMING_CONTAINER"):
            yield Finding("outputs", "INCOMING_CONTAINER differs from the app's: no event would come")
        stores = {each.name: each.properties for each in self.of(f"{WORKSPACE}/datastores")}
        store = stores.get(str(self.settings.get("DATASTORE")), {})
        wanted = (self.data, self.settings.get("DATA_CONTAINER"), {"credentialsType": "None"})
        if (store.get("accountName"), store.get("containerName"), store.get("credentials")) != wanted:
            yield Finding(
                "datastore", f"DATASTORE must be over {wanted[1]} of {self.data}, without credentials"
            )
        if self.data == self.host or not self.data:
            yield Finding("storage", "the host's account and the data's must be two")
        if self.settings.get("AZUREML_COMPUTE") not in {
            each.name for each in self.of(f"{WORKSPACE}/computes")
        }:
            yield Finding(
                "cluster", f"AZUREML_COMPUTE {self.settings.get('AZUREML_COMPUTE')!r} is none of the computes"
            )

    def _accounts(self) -> Iterator[Finding]:
        for kind, path, wanted in MUST_BE:
            for each in self.of(kind):
                found: Any = each.properties
                for name in path.split("."):
                    found = found.get(name) if isinstance(found, dict) else None
                if found != wanted:
                    yield Finding(each.where, f"{path} must be {str(wanted).lower()}")

    # -- roles --------------------------------------------------------------------------------------------------

    def _roles(self) -> Iterator[Finding]:
        held = Roles.of(self.made).held
        for role, *_ in held:
            if role not in facts.ROLES.values():
                yield Finding("roles", f"{role} is no role of those that are documented here")
        for who, role, kind, name in self._wanted():
            if not self.holds(who, role, kind, name):
                yield Finding("roles", f"{role} on {name} is missing for {who}")

    def holds(self, who: str, role: str, kind: str, name: str) -> bool:
        """Whether the one whose principal's source has `who` in it has the role on this resource."""
        return any(
            each[0] == facts.ROLES[role] and each[1] == kind and each[2] == name and who in each[3]
            for each in Roles.of(self.made).held
        )

    def _wanted(self) -> Iterator[tuple[str, str, str, str]]:
        app, workspace = (
            "userAssignedIdentities/",
            f"{WORKSPACE}/{self.settings.get('AZUREML_WORKSPACE')}.identity",
        )
        cluster = f"/{self.settings.get('AZUREML_COMPUTE')}.identity"
        yield app, "Storage Blob Data Owner", STORAGE, self.host
        yield app, "Storage Queue Data Contributor", STORAGE, self.host
        yield app, "Storage Table Data Contributor", STORAGE, self.host
        yield app, "Storage Blob Data Owner", STORAGE, self.data
        yield app, "Storage Queue Data Contributor", STORAGE, self.data
        yield app, "AzureML Data Scientist", WORKSPACE, str(self.settings.get("AZUREML_WORKSPACE"))
        yield app, "Monitoring Metrics Publisher", COMPONENT, self.telemetry
        yield app, "Reader", "Microsoft.EventGrid/systemTopics", str(self.settings.get("EVENT_TOPIC"))
        for who in (workspace, cluster):
            yield who, "Storage Blob Data Reader", CONTAINER, str(self.settings.get("DATA_CONTAINER"))
        dead = str(self.outputs.get("DEAD_LETTER_CONTAINER"))
        yield "systemTopics/", "Storage Blob Data Contributor", CONTAINER, dead

    # -- the rest ------------------------------------------------------------------------------------------------

    def _runtime(self) -> Iterator[Finding]:
        for each in self.of("Microsoft.Web/sites"):
            config = each.properties.get("functionAppConfig") or {}
            runtime = config.get("runtime") or {}
            if (runtime.get("name"), runtime.get("version")) not in {
                ("python", v) for v in ("3.11", "3.12", "3.13")
            }:
                yield Finding(each.where, f"the runtime {runtime} is none that the app is tested on")
            storage = (config.get("deployment") or {}).get("storage") or {}
            value = storage.get("value")
            package = str(value.source if isinstance(value, Opaque) else value).rpartition("}")[2]
            if package not in {c.name for c in self.of(CONTAINER) if f"{STORAGE}/{self.host}/" in c.path}:
                yield Finding(each.where, f"the package's container {package!r} is not in the host's account")
            if each.body.get("tags", {}).get("azd-service-name") != "api":
                yield Finding(each.where, "azd finds the app of azure.yaml by its tag azd-service-name")
        for each in self.of("Microsoft.EventGrid/systemTopics"):
            if f"{STORAGE}/{self.data}" not in str(each.properties.get("source")):
                yield Finding(each.where, "the topic must tell of the data account")
        for each in self.of(WORKSPACE):
            if each.properties.get("systemDatastoresAuthMode") != "UserDelegationSAS":
                yield Finding(
                    each.where,
                    "without keys the app's uploads need systemDatastoresAuthMode UserDelegationSAS",
                )

    def _tags(self) -> Iterator[Finding]:
        """`azd down` finds the environment by this tag."""
        for each in self.of("Microsoft.Resources/resourceGroups"):
            if not (each.body.get("tags") or {}).get("azd-env-name"):
                yield Finding(each.where, "the group needs the tag azd-env-name")
        groups = [each for each in self.made if each.deployed_to == "subscription"]
        if [each.kind for each in groups] != ["Microsoft.Resources/resourceGroups"]:
            yield Finding("main.bicep", "all but the group must stand in it: `azd down` deletes the group")


def no_secrets(files: Iterable[File]) -> Iterator[Finding]:
    """No template asks for a key, and none hands one out."""
    for file in files:
        for name, line in file.calls.items():
            if re.match(r"list[A-Z]", name):
                yield Finding(f"{file.path}:{line}", f"{name} asks for a key; identities do without")
        for name in file.outputs:
            if SECRET.search(name):
                yield Finding(file.path, f"the output {name} hands out a secret")
        for name in file.parameters:
            if SECRET.search(name):
                yield Finding(file.path, f"the parameter {name} takes a secret")


def _filled(value: Any) -> str:
    """A setting's text; what Azure alone knows is a URL, which text settings take as well."""
    if isinstance(value, Opaque):
        return "https://dropml.example"
    return str(value)
