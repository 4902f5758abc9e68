// Three accounts, none with a key that opens it: the host's (packages, locks), people's data, the workspace's own files.
param hostAccount string
param dataAccount string
param workspaceAccount string
param containers object
param deadLetters string
param packageContainer string
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param sku string
param location string
param tags object

var keyless = {
  accessTier: 'Hot'
  allowBlobPublicAccess: false
  allowCrossTenantReplication: false
  allowSharedKeyAccess: false
  defaultToOAuthAuthentication: true
  minimumTlsVersion: 'TLS1_2'
  supportsHttpsTrafficOnly: true
}

resource host 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: hostAccount
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: keyless
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: host
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: hostBlobs
  name: packageContainer
}

resource data 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: dataAccount
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: keyless
}

resource dataBlobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: data
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: 7 }
    containerDeleteRetentionPolicy: { enabled: true, days: 7 }
  }
}

resource dataContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for each in items(containers): {
  parent: dataBlobs
  name: each.value
  properties: { publicAccess: 'None' }
}]

resource undelivered 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: dataBlobs
  name: deadLetters
  properties: { publicAccess: 'None' }
}

resource workspaceFiles 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: workspaceAccount
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: keyless
}

output hostBlobEndpoint string = host.properties.primaryEndpoints.blob
output packageContainer string = packages.name
output dataAccountId string = data.id
output dataBlobEndpoint string = data.properties.primaryEndpoints.blob
output dataQueueEndpoint string = data.properties.primaryEndpoints.queue
output workspaceAccountId string = workspaceFiles.id
