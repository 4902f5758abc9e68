"""What Azure must have for the app: workspace, datastore, compute, quota, the event subscription."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.domain.errors import DropMLError
from shared.services.doctor.quota import Wanted, judge
from shared.services.doctor.report import Check, Finding, ok

WORKSPACE_API, EVENTS_API = "2023-10-01", "2022-06-15"
#: Where the blob extension is told of files. Of a subscription's address Event Grid answers this alone: the rest is its secret.
#: https://learn.microsoft.com/rest/api/eventgrid/controlplane/system-topic-event-subscriptions/list-by-system-topic
WEBHOOK = "/runtime/webhooks/blobs"
SUBSCRIBE = "azd hooks run postdeploy"


class Resources(Protocol):
    """Azure's management (`shared.adapters.arm.Arm`)."""

    def find(
        self, url: str, what: str, params: dict[str, str] | None = None
    ) -> Mapping[str, object] | None: ...


@dataclass(frozen=True)
class Place:
    """What the settings name; `account` is the data account's name."""

    workspace_id: str
    subscription: str
    group: str
    workspace: str
    datastore: str
    data_container: str
    compute: str
    event_grid: bool
    account: str
    event_topic: str = ""
    #: The size of a deployment.
    instance_type: str = ""


class AzureChecks:
    def __init__(self, place: Place, resources: Resources) -> None:
        self._at, self._resources = place, resources

    def checks(self, *, quota: bool) -> dict[str, Check]:
        found: dict[str, Check] = {
            "workspace": self.workspace,
            "datastore": self.datastore,
            "compute": self.compute,
            "events": self.events,
        }
        return found | ({"quota": self.quota} if quota else {})

    def workspace(self) -> Finding:
        found = self._find("", "read the workspace")
        if found is None:
            command = f"az ml workspace create --resource-group {self._at.group} --name {self._at.workspace}"
            return Finding(
                "workspace",
                "failed",
                f"There is no workspace {self._at.workspace} in {self._at.group}.",
                command,
            )
        return ok("workspace", f"{self._at.workspace} in {found.get('location', 'an unknown region')}.")

    def datastore(self) -> Finding:
        name, wanted = self._at.datastore, self._at.data_container
        found = self._find(f"/datastores/{name}", "read the datastore")
        options = f"--resource-group {self._at.group} --workspace-name {self._at.workspace}"
        create = (
            f"az ml datastore create {options} --file datastore.yml, with type: azure_blob, name: {name}, "
            f"container_name: {wanted}."
        )
        if found is None:
            return Finding("datastore", "failed", f"There is no datastore {name}.", create)
        container = _properties(found).get("containerName")
        if container != wanted:
            message = f"{name} is over the container {container}; snapshots are written to {wanted}."
            return Finding("datastore", "failed", message, f"Set DATA_CONTAINER={container}, or {create}")
        return ok("datastore", f"{name}, over {wanted}.")

    def compute(self) -> Finding:
        name = self._at.compute
        if not name:
            return ok("compute", "serverless (AZUREML_COMPUTE is empty).")
        found = self._find(f"/computes/{name}", "read the compute")
        if found is None:
            command = (
                f"az ml compute create --resource-group {self._at.group} --workspace-name {self._at.workspace}"
                f" --name {name} --type AmlCompute --min-instances 0 --max-instances 2, or leave AZUREML_COMPUTE empty."
            )
            return Finding("compute", "failed", f"There is no compute {name}.", command)
        properties = _properties(found)
        state = properties.get("provisioningState")
        if state != "Succeeded":
            return Finding("compute", "failed", f"{name} is {state}.", f"az ml compute show --name {name}")
        shape = _inner(properties, "properties")
        most = _inner(shape, "scaleSettings").get("maxNodeCount")
        return ok("compute", f"{name}: {shape.get('vmSize')}, at most {most} nodes.")

    def quota(self) -> Finding:
        """Families of cores without a quota, or nearly used up. Reading them is a right on the subscription."""
        workspace = self._find("", "read the workspace")
        region = str((workspace or {}).get("location") or "")
        if not region:
            return Finding("quota", "unknown", "The workspace's region is not known.")
        try:
            usages = self._offers(region, "usages", "read the quota")
        except DropMLError as error:
            if error.error_code != "azure-refused":
                raise
            message = "The app may not read it; that is a right on the subscription. Whoever may sees it by the command."
            return Finding("quota", "unknown", message, f"az ml compute list-usage --location {region}")
        try:
            sizes = self._offers(region, "vmSizes", "list the sizes")
        except DropMLError as error:
            if error.error_code != "azure-refused":
                raise
            sizes = None
        return judge(region, usages, sizes, self._wanted(region))

    def _wanted(self, region: str) -> list[Wanted]:
        """Deployments are where the workspace is; a cluster may be elsewhere, or of cores that no family counts."""
        sizes = [Wanted("Deployments", self._at.instance_type)] if self._at.instance_type else []
        compute = (
            self._find(f"/computes/{self._at.compute}", "read the compute") if self._at.compute else None
        )
        properties = _properties(compute or {})
        shape = _inner(properties, "properties")
        size, where = str(shape.get("vmSize") or ""), str(properties.get("computeLocation") or region)
        dedicated = str(shape.get("vmPriority") or "Dedicated").lower() == "dedicated"
        if size and dedicated and where.lower() == region.lower():
            sizes.append(Wanted(f"Training on {self._at.compute}", size))
        return sizes

    def _offers(self, region: str, kind: str, what: str) -> Mapping[str, object] | None:
        base = f"/subscriptions/{self._at.subscription}/providers/Microsoft.MachineLearningServices/locations"
        return self._resources.find(f"{base}/{region}/{kind}", what, {"api-version": WORKSPACE_API})

    def events(self) -> Finding:
        """With Event Grid the host is told of files by a subscription on the account, made after the first deployment."""
        if not self._at.event_grid:
            return ok("events", "not needed: the host looks for files itself (BLOB_SOURCE).")
        url, by_hand = self._subscriptions()
        try:
            found = self._resources.find(url, "list event subscriptions", {"api-version": EVENTS_API})
        except DropMLError:
            return Finding("events", "unknown", "The app may not read event subscriptions.", by_hand)
        listed = (found or {}).get("value")
        hooks = [one for one in map(_hook, listed if isinstance(listed, list) else []) if one]
        if not hooks:
            message = (
                "No event subscription is seen that calls the app; the sweep finds files within minutes."
            )
            if self._at.event_topic:
                return Finding("events", "failed", message, SUBSCRIBE)
            return Finding("events", "unknown", message, by_hand)
        if "Succeeded" not in hooks:
            return Finding("events", "failed", f"The event subscription is {hooks[0]}.", SUBSCRIBE)
        return ok("events", f"{len(hooks)} event subscription(s) call the app.")

    def _subscriptions(self) -> tuple[str, str]:
        """Where to ask for them, and the command that does. The topic's own are named where EVENT_TOPIC is."""
        group, topic = self._at.group, self._at.event_topic
        provider = f"/subscriptions/{self._at.subscription}/resourceGroups/{group}/providers"
        if topic:
            command = (
                f"az eventgrid system-topic event-subscription list -g {group} --system-topic-name {topic}"
            )
            return f"{provider}/Microsoft.EventGrid/systemTopics/{topic}/eventSubscriptions", command
        account = f"{provider}/Microsoft.Storage/storageAccounts/{self._at.account}"
        command = f"az eventgrid event-subscription list --source-resource-id {account}"
        return f"{account}/providers/Microsoft.EventGrid/eventSubscriptions", command

    def _find(self, path: str, what: str) -> Mapping[str, object] | None:
        return self._resources.find(f"{self._at.workspace_id}{path}", what, {"api-version": WORKSPACE_API})


def _properties(document: Mapping[str, object]) -> Mapping[str, object]:
    return _inner(document, "properties")


def _inner(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _hook(subscription: object) -> str:
    """How far a subscription to the blob extension's webhook has come; empty for any other."""
    properties = _properties(subscription) if isinstance(subscription, Mapping) else {}
    address = _inner(_inner(properties, "destination"), "properties")
    told = f"{address.get('endpointBaseUrl')} {address.get('endpointUrl')}"
    return str(properties.get("provisioningState") or "Succeeded") if WEBHOOK in told else ""
