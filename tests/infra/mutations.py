"""Faults planted in the templates: syntax, names, types, settings, storage, roles; the others stand in
`mutations_of_meaning` and `mutations_of_rights`.
"""

from __future__ import annotations

from tests.infra.mutation import APP, DATA, MAIN, ML, ROLES, Mutation
from tests.infra.mutations_of_meaning import OF_MEANING
from tests.infra.mutations_of_rights import OF_RIGHTS

MUTATIONS = (
    # syntax
    Mutation(
        "a brace is lost",
        APP,
        "  properties: { reserved: true }\n}",
        "  properties: { reserved: true }\n",
        "no Bicep",
    ),
    Mutation("a colon is lost", ML, "  kind: 'Default'", "  kind 'Default'", "no Bicep"),
    # names
    Mutation(
        "a variable is misspelt",
        MAIN,
        "insightsName: monitoring.outputs.insightsName",
        "insightsName: monitorin.outputs.insightsName",
        "nothing here is named monitorin",
    ),
    Mutation(
        "an output is misspelt",
        MAIN,
        "storage.outputs.dataBlobEndpoint",
        "storage.outputs.dataBlobEndpoints",
        "there is no dataBlobEndpoints",
    ),
    Mutation(
        "a module lacks a parameter",
        MAIN,
        "    clusterName: cluster\n    instanceType",
        "    instanceType",
        "needs the parameter clusterName",
    ),
    Mutation(
        "a module gets one that it doesn't know",
        MAIN,
        "    firstDay: firstDay",
        "    firstDay: firstDay\n    lastDay: firstDay",
        "has no parameter lastDay",
    ),
    Mutation(
        "a module's file is gone", MAIN, "modules/budget.bicep", "modules/budgets.bicep", "no such module"
    ),
    Mutation(
        "a variable is left over",
        MAIN,
        "var cluster = 'cpu-cluster'",
        "var cluster = 'cpu-cluster'\nvar oldCluster = 'gpu'",
        "oldCluster is declared and never read",
    ),
    Mutation(
        "a function is made up", MAIN, "toLower(uniqueString(", "lower(uniqueString(", "the function lower"
    ),
    # types
    Mutation(
        "a property is misspelt",
        DATA,
        "allowBlobPublicAccess: false",
        "allowBlobPublicAcces: false",
        "allowBlobPublicAcces is not known",
        by_types=True,
    ),
    Mutation(
        "a property stands one level too high",
        ML,
        "      vmSize: clusterSize\n",
        "",
        "is declared and never read",
    ),
    Mutation(
        "a word is none of the known",
        ML,
        "osType: 'Linux'",
        "osType: 'Ubuntu'",
        "may be one of Linux",
        by_types=True,
    ),
    Mutation(
        "a sku is none of the known", "stages/prod.json", "Standard_ZRS", "Standard_XRS", "may be one of"
    ),
    Mutation(
        "a number is a text", ML, "minNodeCount: 0", "minNodeCount: '0'", "is integer, not '0'", by_types=True
    ),
    Mutation(
        "a required property is missing",
        "modules/alerts.bicep",
        "    groupShortName: 'dropml'\n",
        "",
        "groupShortName is required",
        by_types=True,
    ),
    Mutation(
        "a read-only property is written",
        ML,
        "    v1LegacyMode: false",
        "    v1LegacyMode: false\n    workspaceId: name",
        "is read-only",
        by_types=True,
    ),
    Mutation(
        "an api-version doesn't exist",
        "modules/eventgrid.bicep",
        "systemTopics@2025-02-15",
        "systemTopics@2025-02-30",
        "there is no type",
        by_types=True,
    ),
    Mutation(
        "a provider is misspelt",
        "modules/identity.bicep",
        "Microsoft.ManagedIdentity/",
        "Microsoft.ManagedIdentities/",
        "there is no type",
        by_types=True,
    ),
    Mutation(
        "a kind of compute is unknown",
        ML,
        "computeType: 'AmlCompute'",
        "computeType: 'AmlCluster'",
        "computeType may be one of",
        by_types=True,
    ),
    Mutation(
        "an answer is asked for that never comes",
        APP,
        "app.properties.defaultHostName",
        "app.properties.hostName",
        "has no hostName",
        by_types=True,
    ),
    Mutation(
        "a severity is a word",
        "modules/alerts.bicep",
        "severity: 1\n",
        "severity: 'high'\n",
        "severity is integer",
        by_types=True,
    ),
    Mutation(
        "a list is an object",
        "modules/alerts.bicep",
        "scopes: [insightsId]",
        "scopes: { first: insightsId }",
        "scopes is a list",
        by_types=True,
    ),
    # settings
    Mutation(
        "a setting is not written",
        APP,
        "  DATASTORE: datastoreName\n",
        "  LABEL_COLUMN_OLD: datastoreName\n",
        "DATASTORE is not written",
    ),
    Mutation(
        "a setting is misspelt",
        APP,
        "  LABEL_COLUMN: labelColumn",
        "  LABELCOLUMN: labelColumn",
        "LABELCOLUMN is read by nothing",
    ),
    Mutation(
        "a setting can't be taken",
        "stages/prod.json",
        '"MAX_TRIALS": "40"',
        '"MAX_TRIALS": "many"',
        "MAX_TRIALS is 'many'",
    ),
    Mutation("a schedule is none", APP, "'0 * * * * *'", "'0 * * * * * *'", "LIFECYCLE_SCHEDULE"),
    Mutation(
        "the plan's old setting comes back",
        APP,
        "  BLOB_SOURCE: 'EventGrid'",
        "  BLOB_SOURCE: 'EventGrid'\n  FUNCTIONS_WORKER_RUNTIME: 'python'",
        "not taken on Flex Consumption",
    ),
    Mutation(
        "blobs are scanned for",
        APP,
        "BLOB_SOURCE: 'EventGrid'",
        "BLOB_SOURCE: 'LogsAndContainerScan'",
        "BLOB_SOURCE must be EventGrid",
    ),
    Mutation(
        "the trigger lacks its queues",
        APP,
        "  DATA_STORAGE__queueServiceUri: dataQueueEndpoint\n",
        "  X: dataQueueEndpoint\n",
        "DATA_STORAGE__queueServiceUri is not",
    ),
    # storage
    Mutation(
        "a container has another name",
        MAIN,
        "incoming: 'incoming'",
        "incoming: 'Incoming'",
        "INCOMING_CONTAINER is 'Incoming'",
    ),
    Mutation(
        "the app looks into another container",
        APP,
        "STATE_CONTAINER: containers.state",
        "STATE_CONTAINER: 'dropml-states'",
        "STATE_CONTAINER is dropml-states",
    ),
    Mutation(
        "the datastore is over another container",
        MAIN,
        "dataContainer: containers.data\n    datastoreName",
        "dataContainer: containers.batch\n    datastoreName",
        "DATASTORE must be over dropml-data",
    ),
    Mutation(
        "the datastore keeps a key",
        ML,
        "credentialsType: 'None'",
        "credentialsType: 'AccountKey'",
        "DATASTORE must be over",
    ),
    Mutation(
        "host and data share an account",
        MAIN,
        "var dataAccount = 'stdata${token}'",
        "var dataAccount = 'sthost${token}'",
        "must be two",
    ),
    Mutation(
        "keys open the accounts",
        DATA,
        "allowSharedKeyAccess: false",
        "allowSharedKeyAccess: true",
        "allowSharedKeyAccess must be false",
    ),
    Mutation(
        "blobs are public",
        DATA,
        "allowBlobPublicAccess: false",
        "allowBlobPublicAccess: true",
        "allowBlobPublicAccess must be false",
    ),
    Mutation(
        "the package goes to the data",
        APP,
        "'${hostBlobEndpoint}${packageContainer}'",
        "'${hostBlobEndpoint}packages'",
        "the package's container",
    ),
    Mutation(
        "events come from the host's account",
        MAIN,
        "accountId: storage.outputs.dataAccountId",
        "accountId: storage.outputs.workspaceAccountId",
        "the topic must tell of the data account",
    ),
    # roles and secrets
    Mutation(
        "a role is missing",
        ROLES,
        "var onHost = ['storageBlobDataOwner', 'storageQueueDataContributor', 'storageTableDataContributor']",
        "var onHost = ['storageBlobDataOwner', 'storageTableDataContributor']",
        "Storage Queue Data Contributor on sthost",
    ),
    Mutation(
        "a role's id is another's",
        ROLES,
        "storageBlobDataOwner: 'b7e6dc6d",
        "storageBlobDataOwner: 'b7e6dc6e",
        "is no role of those",
    ),
    Mutation(
        "a role is given to somebody else",
        ROLES,
        "    principalId: topicPrincipal",
        "    principalId: appPrincipal",
        "is missing for systemTopics/",
    ),
    Mutation(
        "the cluster can't read the data",
        ROLES,
        "  cluster: clusterPrincipal\n",
        "  cluster: workspacePrincipal\n",
        "missing for /cpu-cluster.identity",
    ),
    Mutation(
        "a role stands on another account",
        ROLES,
        "  scope: data\n  properties",
        "  scope: host\n  properties",
        "on stdata",
    ),
    Mutation(
        "telemetry takes keys",
        "modules/monitoring.bicep",
        "    DisableLocalAuth: true",
        "    DisableLocalAuth: false",
        "DisableLocalAuth must be true",
    ),
    Mutation(
        "a key is asked for",
        DATA,
        "output hostBlobEndpoint string = host.properties.primaryEndpoints.blob",
        "output hostBlobEndpoint string = host.listKeys().keys[0].value",
        "asks for a key",
    ),
    Mutation(
        "a key is handed out",
        MAIN,
        "output EVENT_TOPIC_NAME string",
        "output STORAGE_KEY string",
        "hands out a secret",
    ),
    Mutation(
        "the registry has an admin",
        ML,
        "adminUserEnabled: false",
        "adminUserEnabled: true",
        "adminUserEnabled must be false",
    ),
    # the rest
    Mutation("the cluster never rests", ML, "minNodeCount: 0", "minNodeCount: 1", "minNodeCount must be 0"),
    Mutation(
        "Python is one that nobody tested",
        APP,
        "version: '3.13'",
        "version: '3.10'",
        "none that the app is tested on",
    ),
    Mutation("azd can't find the app", MAIN, "serviceName: 'api'", "serviceName: 'web'", "azd-service-name"),
    Mutation(
        "azd can't find the group",
        MAIN,
        "  'azd-env-name': environmentName\n",
        "  environment: environmentName\n",
        "needs the tag azd-env-name",
    ),
    Mutation("uploads have no way in", ML, "'UserDelegationSAS'", "'AccessKey'", "UserDelegationSAS"),
    Mutation(
        "too few instances for Flex",
        "stages/dev.json",
        '"maximumInstances": 40',
        '"maximumInstances": 10',
        "out of its range",
    ),
    *OF_MEANING,
    *OF_RIGHTS,
)
