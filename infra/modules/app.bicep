// The function app on Flex Consumption: nothing runs, and nothing is paid, where nothing happens.
param name string
param planName string
param serviceName string
param identityId string
param identityClientId string
param hostAccount string
param hostBlobEndpoint string
param packageContainer string
param dataBlobEndpoint string
param dataQueueEndpoint string
param containers object
param workspaceName string
param datastoreName string
param clusterName string
param instanceType string
param instanceCount int
@minValue(0)
param alwaysReady int
@minValue(40)
@maxValue(1000)
param maximumInstances int
param insightsConnection string
param eventTopic string
param labelColumn string
param stageSettings object
param location string
param tags object

var settings = {
  AzureWebJobsStorage__accountName: hostAccount
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  DATA_STORAGE__blobServiceUri: dataBlobEndpoint
  DATA_STORAGE__queueServiceUri: dataQueueEndpoint
  DATA_STORAGE__credential: 'managedidentity'
  DATA_STORAGE__clientId: identityClientId
  AZURE_CLIENT_ID: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  PYTHON_THREADPOOL_THREAD_COUNT: '110'
  // Of the C library: buffers of blocks go back to the system at once, whichever thread had them.
  MALLOC_ARENA_MAX: '2'
  MALLOC_MMAP_THRESHOLD_: '3000000'
  BLOB_SOURCE: 'EventGrid'
  EVENT_TOPIC: eventTopic
  INCOMING_CONTAINER: containers.incoming
  DATA_CONTAINER: containers.data
  QUARANTINE_CONTAINER: containers.quarantine
  STATE_CONTAINER: containers.state
  BATCH_CONTAINER: containers.batch
  LIFECYCLE_SCHEDULE: '0 * * * * *'
  SWEEP_SCHEDULE: '30 */5 * * * *'
  AZURE_SUBSCRIPTION_ID: subscription().subscriptionId
  AZURE_RESOURCE_GROUP: resourceGroup().name
  AZUREML_WORKSPACE: workspaceName
  AZUREML_COMPUTE: clusterName
  DATASTORE: datastoreName
  INSTANCE_TYPE: instanceType
  INSTANCE_COUNT: string(instanceCount)
  LABEL_COLUMN: labelColumn
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': serviceName })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostBlobEndpoint}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReady == 0 ? [] : [{ name: 'http', instanceCount: alwaysReady }]
      }
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, stageSettings)
}

resource noFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

output name string = app.name
output uri string = 'https://${app.properties.defaultHostName}'
