"""What else must hold of an unrolled stage: identities that are given, doors that are shut, alerts that can fire."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.adapters.poison_queue import QUEUE
from shared.domain.run.signals import STATE_EVENT
from tests.infra import facts
from tests.infra.bicep import File, Finding, text
from tests.infra.meaning import COMPONENT, CONTAINER, STORAGE, WORKSPACE, Stage
from tests.infra.template import Resource
from tests.infra.values import Opaque

SITES = "Microsoft.Web/sites"
VAULT, REGISTRY = "Microsoft.KeyVault/vaults", "Microsoft.ContainerRegistry/registries"
TOPIC = "Microsoft.EventGrid/systemTopics"
#: Of the body, in words that Azure's types would take otherwise, too.
MUST_BE: tuple[tuple[str, str, Any], ...] = (
    (STORAGE, "properties.minimumTlsVersion", "TLS1_2"),
    (CONTAINER, "properties.publicAccess", "None"),
    (STORAGE, "properties.supportsHttpsTrafficOnly", True),
    (VAULT, "properties.enableRbacAuthorization", True),
    (VAULT, "properties.enablePurgeProtection", None),  # else `azd down --purge` can't give the name back
    ("Microsoft.Web/serverfarms", "properties.reserved", True),  # Linux
    ("Microsoft.Web/serverfarms", "sku.name", "FC1"),
    (SITES, "properties.siteConfig.minTlsVersion", "1.2"),
    (SITES, "properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB", 2048),
    (SITES, "identity.type", "UserAssigned"),
    (SITES, "properties.functionAppConfig.deployment.storage.authentication.type", "UserAssignedIdentity"),
    (WORKSPACE, "identity.type", "SystemAssigned"),
    (f"{WORKSPACE}/computes", "identity.type", "SystemAssigned"),
    (f"{WORKSPACE}/computes", "properties.properties.remoteLoginPortPublicAccess", "Disabled"),
    (
        f"{WORKSPACE}/datastores",
        "properties.serviceDataAccessAuthIdentity",
        "WorkspaceSystemAssignedIdentity",
    ),
    ("Microsoft.Insights/scheduledQueryRules", "properties.skipQueryValidation", True),
    (TOPIC, "identity.type", "SystemAssigned"),
    (TOPIC, "properties.topicType", "Microsoft.Storage.StorageAccounts"),
)
#: Longest names, where the types say nothing.
#: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
LONGEST = {VAULT: 24, REGISTRY: 50, SITES: 60, WORKSPACE: 33, TOPIC: 50}
#: Groups of always-ready instances; else `function:NAME`.
#: https://learn.microsoft.com/azure/azure-functions/flex-consumption-how-to#set-always-ready-instance-counts
GROUPS = frozenset({"http", "blob", "durable"})
#: How Azure writes a span of minutes or seconds (ISO 8601).
SPAN = re.compile(r"PT(\d+H)?(\d+M)?(\d+S)?(?<=[HMS])")
#: What whoever deploys needs to drop a file, to read results and to look into the workspace.
PERSON = ("Storage Blob Data Contributor", "Storage Blob Data Contributor", "AzureML Data Scientist")
#: What the app itself sends as a request; all others are the host's, by the function's name.
PROXY = "POST /api/score"
STATE_PROPERTIES = frozenset({"run", "dataset", "state", "before", "cause", "actor", "model", "code"})


def sound(stage: Stage) -> Iterator[Finding]:
    yield from _words(stage)
    yield from _identity(stage)
    yield from _roles(stage)
    yield from _people(stage)
    yield from _apart(stage)
    yield from _plan(stage)
    yield from _telemetry(stage)
    yield from _alerts(stage)
    yield from _budgets(stage)
    yield from _rest(stage)


def _inside(body: Mapping[str, Any], path: str) -> Any:
    found: Any = body
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _words(stage: Stage) -> Iterator[Finding]:
    for kind, path, wanted in MUST_BE:
        for each in stage.of(kind):
            inside_host = kind == CONTAINER and f"{STORAGE}/{stage.host}/" in each.path
            if not inside_host and _inside(each.body, path) != wanted:
                yield Finding(each.where, f"{path} must be {wanted}")
    for each in stage.made:
        if len(each.name) > LONGEST.get(each.kind, 1000):
            yield Finding(each.where, f"the name {each.name} is too long")
        if "location" in each.body and not (each.body.get("tags") or {}).get("application"):
            yield Finding(each.where, "has no tags: nobody can tell whose it is")


def _identity(stage: Stage) -> Iterator[Finding]:
    """One identity is given to the app, fetches its package, and is named in its settings."""
    made = [each.path for each in stage.of("Microsoft.ManagedIdentity/userAssignedIdentities")]
    for site in stage.of(SITES):
        given = str(_inside(site.body, "identity.userAssignedIdentities"))
        fetches = str(
            _inside(
                site.properties,
                "functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId",
            )
        )
        if not any(path in given and fetches == f"${{{path}.id}}" for path in made):
            yield Finding(site.where, "the app's identity must be given to it, and fetch its package")
    for name in ("AZURE_CLIENT_ID", "AzureWebJobsStorage__clientId", "DATA_STORAGE__clientId"):
        if str(stage.settings.get(name)) not in {f"${{{path}.properties.clientId}}" for path in made}:
            yield Finding("app settings", f"{name} must be the client id of the app's identity")
    for name in ("AzureWebJobsStorage__credential", "DATA_STORAGE__credential"):
        if stage.settings.get(name) != "managedidentity":
            yield Finding("app settings", f"{name} must be managedidentity: the host knows no other word")
    signs = {f"ClientId=${{{path}.properties.clientId}};Authorization=AAD" for path in made}
    signed = stage.settings.get("APPLICATIONINSIGHTS_AUTHENTICATION_STRING")
    if not isinstance(signed, Opaque) or signed.source not in signs:
        yield Finding("app settings", "telemetry must be signed by the app's identity, by its client id")


def _roles(stage: Stage) -> Iterator[Finding]:
    """What Azure ML itself needs, without keys: its own files, its vault, its registry.

    Some of it the service gives its own identities when it makes them, and Azure refuses it a second time
    (RoleAssignmentExists): `azd up` would end there.
    https://learn.microsoft.com/azure/machine-learning/concept-enterprise-security
    https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-service-authentication
    """
    for workspace in stage.of(WORKSPACE):
        own = _named(workspace.properties.get("storageAccount"))
        if own in {stage.data, stage.host}:
            yield Finding(workspace.where, "the workspace's own account must be a third one")
        who, cluster = f"{workspace.path}.identity", f"/{stage.settings.get('AZUREML_COMPUTE')}.identity"
        vault, registry = (
            _named(workspace.properties.get(name)) for name in ("keyVault", "containerRegistry")
        )
        for whose, role, kind, name in (
            (cluster, "Storage Blob Data Contributor", STORAGE, own),
            (who, "Key Vault Administrator", VAULT, vault),
            (who, "AcrPush", REGISTRY, registry),
        ):
            if not stage.holds(whose, role, kind, name):
                yield Finding("roles", f"{role} on {name} is missing for {whose}")
        for whose, role, kind, name in (
            (who, "Storage Blob Data Contributor", STORAGE, own),
            (cluster, "AcrPull", REGISTRY, registry),
        ):
            if stage.holds(whose, role, kind, name):
                yield Finding("roles", f"{role} on {name} is given to {whose} by Azure ML: not twice")


def _people(stage: Stage) -> Iterator[Finding]:
    """Azure refuses an assignment whose kind of principal is not the principal's (UnmatchedPrincipalType)."""
    people = set()
    for each in stage.of("Microsoft.Authorization/roleAssignments"):
        who, kind = str(each.properties.get("principalId")), each.properties.get("principalType")
        if not who.startswith("${"):
            people.add(who)
        elif kind != "ServicePrincipal":
            yield Finding(each.where, f"an identity is a ServicePrincipal, not a {kind}")
    for workspace in stage.of(WORKSPACE) if people else ():
        where = (STORAGE, stage.data), (STORAGE, _named(workspace.properties.get("storageAccount")))
        for role, (kind, name) in zip(PERSON, (*where, (WORKSPACE, workspace.name)), strict=True):
            if not all(stage.holds(who, role, kind, name) for who in people):
                yield Finding("roles", f"{role} on {name} is missing for whoever deploys")


def _apart(stage: Stage) -> Iterator[Finding]:
    """Azure ML reads the data's container: what stands beside the data would be its, too."""
    names = [f"{name}_CONTAINER" for name in ("INCOMING", "DATA", "QUARANTINE", "STATE", "BATCH")]
    taken: dict[str, str] = {}
    for name in names:
        other = taken.setdefault(str(stage.settings.get(name)), name)
        if other != name:
            yield Finding("app settings", f"{name} is that of {other}: each needs a container of its own")


def _plan(stage: Stage) -> Iterator[Finding]:
    for site in stage.of(SITES):
        ready = _inside(site.properties, "functionAppConfig.scaleAndConcurrency.alwaysReady") or []
        for group in (str(each.get("name")) for each in ready):
            if group not in GROUPS and group.removeprefix("function:") not in facts.indexed():
                yield Finding(site.where, f"{group} is no group of instances that may be always ready")
    uri = stage.outputs.get("FUNCTION_APP_URI")
    if not str(uri.source if isinstance(uri, Opaque) else uri).startswith("https://"):
        yield Finding("outputs", "FUNCTION_APP_URI must be https: the hook and callers send keys there")
    for cluster in stage.of(f"{WORKSPACE}/computes"):
        rest = _inside(cluster.properties, "properties.scaleSettings.nodeIdleTimeBeforeScaleDown")
        if not SPAN.fullmatch(str(rest)):
            yield Finding(cluster.where, f"{rest} is no span of time as Azure writes it (PT2M)")


def _named(identifier: object) -> str:
    """The name in a resource's id."""
    return str(identifier).removesuffix(".id}").rpartition("/")[2]


def _telemetry(stage: Stage) -> Iterator[Finding]:
    """The app sends by its identity; a deployment's server can by key alone, and needs a component that takes it."""
    deployments = {_named(each.properties.get("applicationInsights")) for each in stage.of(WORKSPACE)}
    for each in stage.of(COMPONENT):
        keyless = each.properties.get("DisableLocalAuth")
        if each.name == stage.telemetry and keyless is not True:
            yield Finding(each.where, "DisableLocalAuth must be true: the app sends by its identity")
        if each.name in deployments and keyless is not False:
            yield Finding(each.where, "DisableLocalAuth must be false: deployments send by key")
    for rule in stage.of("Microsoft.Insights/scheduledQueryRules"):
        if [_named(each) for each in rule.properties["scopes"]] != [stage.telemetry]:
            yield Finding(rule.where, f"{rule.name} must ask the component that the app sends to")


def _alerts(stage: Stage) -> Iterator[Finding]:
    """An alert asks for what the app or the host really sends: else it is never heard."""
    requests = {*facts.indexed(), PROXY}
    for rule in stage.of("Microsoft.Insights/scheduledQueryRules"):
        for condition in rule.properties["criteria"]["allOf"]:
            query = str(condition["query"])
            if condition.get("operator") == "LessThan" and condition.get("threshold") == 0:
                yield Finding(rule.where, f"{rule.name}: nothing is ever fewer than none")
            table = query.partition(" ")[0]
            sent = {"requests": requests, "customEvents": {STATE_EVENT}}.get(table, set())
            for name in re.findall(r'\bname == "([^"]+)"', query):
                if name not in sent:
                    yield Finding(rule.where, f"{rule.name}: nothing sends {name} to {table}")
            for name in set(re.findall(r"customDimensions\.(\w+)", query)) - STATE_PROPERTIES:
                yield Finding(rule.where, f"{rule.name}: {STATE_EVENT} has no {name}")
            for queue in re.findall(r'has "([^"]+)"', query):
                if queue != QUEUE:
                    yield Finding(rule.where, f"{rule.name}: there is no queue {queue}")


def _budgets(stage: Stage) -> Iterator[Finding]:
    for budget in stage.of("Microsoft.Consumption/budgets"):
        if not str(_inside(budget.properties, "timePeriod.startDate")).endswith("-01T00:00:00Z"):
            yield Finding(budget.where, "a budget starts with a month: yyyy-MM-01T00:00:00Z")
        for name, told in budget.properties["notifications"].items():
            if not 0 < told["threshold"] <= 100:
                yield Finding(budget.where, f"{name} is told at {told['threshold']} %, which is too late")


def _rest(stage: Stage) -> Iterator[Finding]:
    for size in {str(stage.settings.get("INSTANCE_TYPE")), *_cluster_sizes(stage)}:
        if facts.RETIRING.fullmatch(size):
            yield Finding("stages", f"{size} is about to retire")
    for each in stage.of(f"{SITES}/config"):
        if _inside(each.properties, "globalValidation.requireAuthentication"):
            yield Finding(each.where, "sign-in must not be required: Event Grid and callers come with keys")
    for each in stage.of(f"{STORAGE}/blobServices"):
        of_data = each.parent is not None and each.parent.name == stage.data
        if of_data and not _inside(each.properties, "deleteRetentionPolicy.enabled"):
            yield Finding(each.where, "people's deleted blobs must come back for some days")


def _cluster_sizes(stage: Stage) -> set[str]:
    sizes: list[Resource] = stage.of(f"{WORKSPACE}/computes")
    return {str(_inside(each.properties, "properties.vmSize")) for each in sizes}


def in_order(files: Mapping[str, File]) -> Iterator[Finding]:
    """The app starts with its first deployment; what it may do then stands already."""
    app = files["main.bicep"].modules.get("app") if "main.bicep" in files else None
    if app is not None and not re.search(r"dependsOn:\s*\[[^\]]*\broles\b", text(app.body)):
        yield Finding("main.bicep", "the app must depend on the roles")
