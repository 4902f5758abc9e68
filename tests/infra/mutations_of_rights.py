"""Faults planted in the templates that a compiler and Microsoft's types would take: rights, containers, and words that
Azure alone reads.
"""

from __future__ import annotations

from tests.infra.mutation import ALERTS, APP, DATA, ML, ROLES, Mutation

OF_RIGHTS = (
    Mutation(
        "whoever deploys can't drop a file",
        ROLES,
        "ids.storageBlobDataContributor)\n  scope: data\n",
        "ids.storageBlobDataContributor)\n  scope: host\n",
        "is missing for whoever deploys",
    ),
    Mutation(
        "the workspace is given what it has",
        ROLES,
        "    principalId: clusterPrincipal\n",
        "    principalId: workspacePrincipal\n",
        "Storage Blob Data Contributor on stmlabcdefghijklm is given",
    ),
    Mutation(
        "the cluster is given what it has",
        ROLES,
        "ids.acrPush)\n    principalId: workspacePrincipal",
        "'7f951dda-4ed3-4680-a7ca-43fe172d538d')\n    principalId: clusterPrincipal",
        "AcrPull on crabcdefghijklm is given",
    ),
    Mutation(
        "an identity is said to be a person",
        ROLES,
        "    principalId: appPrincipal\n    principalType: 'ServicePrincipal'",
        "    principalId: appPrincipal\n    principalType: 'User'",
        "not a User",
    ),
    Mutation(
        "the state stands where Azure ML reads",
        APP,
        "STATE_CONTAINER: containers.state",
        "STATE_CONTAINER: containers.data",
        "STATE_CONTAINER is that of DATA_CONTAINER",
    ),
    Mutation(
        "refused files stand among batches",
        APP,
        "QUARANTINE_CONTAINER: containers.quarantine",
        "QUARANTINE_CONTAINER: containers.batch",
        "BATCH_CONTAINER is that of QUARANTINE_CONTAINER",
    ),
    Mutation(
        "storage answers without TLS",
        DATA,
        "supportsHttpsTrafficOnly: true",
        "supportsHttpsTrafficOnly: false",
        "supportsHttpsTrafficOnly must be True",
    ),
    Mutation(
        "the vault can't be purged",
        ML,
        "softDeleteRetentionInDays: 7",
        "softDeleteRetentionInDays: 7\n    enablePurgeProtection: true",
        "enablePurgeProtection must be None",
    ),
    Mutation(
        "the datastore is read by nobody",
        ML,
        "'WorkspaceSystemAssignedIdentity'",
        "'None'",
        "serviceDataAccessAuthIdentity must be",
    ),
    Mutation(
        "instances are ready for nothing",
        APP,
        "[{ name: 'http',",
        "[{ name: 'https',",
        "https is no group of instances",
    ),
    Mutation(
        "a ready group has no name",
        APP,
        "[{ name: 'http',",
        "[{ names: 'http',",
        "None is no group of instances",
    ),
    Mutation(
        "keys are sent in the open",
        APP,
        "'https://${app.properties",
        "'http://${app.properties",
        "FUNCTION_APP_URI must be https",
    ),
    Mutation("the cluster's rest is no span of time", ML, "'PT2M'", "'2M'", "2M is no span of time"),
    Mutation(
        "a credential's word is misspelt",
        APP,
        "DATA_STORAGE__credential: 'managedidentity'",
        "DATA_STORAGE__credential: 'managedIdentities'",
        "DATA_STORAGE__credential must be managedidentity",
    ),
    Mutation(
        "telemetry is signed by nobody",
        APP,
        "'ClientId=${identityClientId};Authorization=AAD'",
        "'Authorization=AAD'",
        "telemetry must be signed",
    ),
    Mutation(
        "a budget starts within a month",
        "modules/budget.bicep",
        "'${firstDay}T00:00:00Z'",
        "'${firstDay}5T00:00:00Z'",
        "a budget starts with a month",
    ),
    Mutation(
        "an alert asks for tables that aren't there yet",
        ALERTS,
        "skipQueryValidation: true",
        "skipQueryValidation: false",
        "skipQueryValidation must be True",
    ),
    Mutation(
        "an alert waits for fewer than none",
        ALERTS,
        "operator: 'LessThan'\n    threshold: 1",
        "operator: 'LessThan'\n    threshold: 0",
        "fewer than none",
    ),
)
