// Azure Machine Learning: the workspace with its vault and registry, a cluster that rests at no nodes, the datastore over the data.
param name string
param vaultName string
param registryName string
param storageId string
param insightsId string
param dataAccount string
param dataContainer string
param datastoreName string
param clusterName string
param clusterSize string
@minValue(1)
param clusterNodes int
@allowed(['Dedicated', 'LowPriority'])
param clusterPriority string
param location string
param tags object

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: vaultName
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: registryName
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: { adminUserEnabled: false }
}

resource workspace 'Microsoft.MachineLearningServices/workspaces@2025-09-01' = {
  name: name
  location: location
  tags: tags
  kind: 'Default'
  sku: { name: 'Basic', tier: 'Basic' }
  identity: { type: 'SystemAssigned' }
  properties: {
    friendlyName: 'DropML'
    keyVault: vault.id
    containerRegistry: registry.id
    storageAccount: storageId
    applicationInsights: insightsId
    systemDatastoresAuthMode: 'UserDelegationSAS'
    publicNetworkAccess: 'Enabled'
    v1LegacyMode: false
  }
}

resource cluster 'Microsoft.MachineLearningServices/workspaces/computes@2025-09-01' = {
  parent: workspace
  name: clusterName
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    computeType: 'AmlCompute'
    disableLocalAuth: true
    properties: {
      osType: 'Linux'
      vmSize: clusterSize
      vmPriority: clusterPriority
      remoteLoginPortPublicAccess: 'Disabled'
      scaleSettings: {
        minNodeCount: 0
        maxNodeCount: clusterNodes
        nodeIdleTimeBeforeScaleDown: 'PT2M'
      }
    }
  }
}

resource datastore 'Microsoft.MachineLearningServices/workspaces/datastores@2025-09-01' = {
  parent: workspace
  name: datastoreName
  properties: {
    datastoreType: 'AzureBlob'
    accountName: dataAccount
    containerName: dataContainer
    endpoint: environment().suffixes.storage
    protocol: 'https'
    credentials: { credentialsType: 'None' }
    serviceDataAccessAuthIdentity: 'WorkspaceSystemAssignedIdentity'
    description: 'DropML: snapshots of dropped files'
  }
}

output name string = workspace.name
output principalId string = workspace.identity.principalId
output clusterPrincipalId string = cluster.identity.principalId
output vaultName string = vault.name
output registryName string = registry.name
