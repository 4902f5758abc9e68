// Who may do what. Every role stands at the smallest scope that still does. Each assignment's name holds whom it is for: one that
// was made anew (a workspace, a cluster) gets assignments of its own, for Azure changes no assignment's principal.
param appPrincipal string
param workspacePrincipal string
param clusterPrincipal string
param topicPrincipal string
param personPrincipal string
param personType string
param hostAccount string
param dataAccount string
param workspaceAccount string
param dataContainer string
param deadLetters string
param workspaceName string
param vaultName string
param registryName string
param insightsName string
param topicName string

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var ids = {
  acrPush: '8311e382-0749-4cb8-b61a-304f252e45ec'
  azureMLDataScientist: 'f6c7c914-8db3-469d-8ca1-694a8f32e121'
  keyVaultAdministrator: '00482a5a-887f-4fb3-b363-3b7fe8e74483'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  reader: 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}
var onHost = ['storageBlobDataOwner', 'storageQueueDataContributor', 'storageTableDataContributor']
var onData = ['storageBlobDataOwner', 'storageQueueDataContributor']
var readers = {
  workspace: workspacePrincipal
  cluster: clusterPrincipal
}

resource host 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostAccount
}

resource data 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: dataAccount
}

resource dataBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: data
  name: 'default'
}

resource snapshots 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: dataBlobs
  name: dataContainer
}

resource undelivered 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: dataBlobs
  name: deadLetters
}

resource workspaceFiles 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: workspaceAccount
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-09-01' existing = {
  name: workspaceName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

// The app
resource appOnHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in onHost: {
  name: guid(host.id, appPrincipal, ids[role])
  scope: host
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids[role])
    principalId: appPrincipal
    principalType: 'ServicePrincipal'
  }
}]

resource appOnData 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in onData: {
  name: guid(data.id, appPrincipal, ids[role])
  scope: data
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids[role])
    principalId: appPrincipal
    principalType: 'ServicePrincipal'
  }
}]

resource appOnWorkspace 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, appPrincipal, ids.azureMLDataScientist)
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.azureMLDataScientist)
    principalId: appPrincipal
    principalType: 'ServicePrincipal'
  }
}

resource appOnInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, appPrincipal, ids.monitoringMetricsPublisher)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.monitoringMetricsPublisher)
    principalId: appPrincipal
    principalType: 'ServicePrincipal'
  }
}

// Whether the topic calls it, which its doctor tells; Event Grid's own reader role knows no subscriptions of system topics
resource appOnTopic 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(topic.id, appPrincipal, ids.reader)
  scope: topic
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.reader)
    principalId: appPrincipal
    principalType: 'ServicePrincipal'
  }
}

// Azure Machine Learning: reads snapshots, keeps its own files, builds images. What it gives its own identities stands not here, for
// Azure refuses a second assignment of the same (RoleAssignmentExists): the workspace writes to its account, the cluster pulls images.
// https://learn.microsoft.com/azure/machine-learning/concept-enterprise-security
// https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-service-authentication
resource readerOnSnapshots 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for reader in items(readers): {
  name: guid(snapshots.id, reader.value, ids.storageBlobDataReader)
  scope: snapshots
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.storageBlobDataReader)
    principalId: reader.value
    principalType: 'ServicePrincipal'
  }
}]

resource clusterOnWorkspaceFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspaceFiles.id, clusterPrincipal, ids.storageBlobDataContributor)
  scope: workspaceFiles
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.storageBlobDataContributor)
    principalId: clusterPrincipal
    principalType: 'ServicePrincipal'
  }
}

resource workspaceOnVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, workspacePrincipal, ids.keyVaultAdministrator)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.keyVaultAdministrator)
    principalId: workspacePrincipal
    principalType: 'ServicePrincipal'
  }
}

resource workspaceOnRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, workspacePrincipal, ids.acrPush)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.acrPush)
    principalId: workspacePrincipal
    principalType: 'ServicePrincipal'
  }
}

// Event Grid: puts aside what it could not deliver
resource topicOnDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(undelivered.id, topicPrincipal, ids.storageBlobDataContributor)
  scope: undelivered
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.storageBlobDataContributor)
    principalId: topicPrincipal
    principalType: 'ServicePrincipal'
  }
}

// Whoever deploys: drops files, reads results, looks into the workspace
resource personOnData 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(personPrincipal)) {
  name: guid(data.id, personPrincipal, ids.storageBlobDataContributor)
  scope: data
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.storageBlobDataContributor)
    principalId: personPrincipal
    principalType: personType
  }
}

resource personOnWorkspaceFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(personPrincipal)) {
  name: guid(workspaceFiles.id, personPrincipal, ids.storageBlobDataContributor)
  scope: workspaceFiles
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.storageBlobDataContributor)
    principalId: personPrincipal
    principalType: personType
  }
}

resource personOnWorkspace 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(personPrincipal)) {
  name: guid(workspace.id, personPrincipal, ids.azureMLDataScientist)
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.azureMLDataScientist)
    principalId: personPrincipal
    principalType: personType
  }
}
