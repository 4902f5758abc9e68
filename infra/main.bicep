// Everything that DropML needs, in one resource group: `azd up` makes it, `azd down` takes it away.
targetScope = 'subscription'

@minLength(1)
@maxLength(64)
@description('Name of the environment; every name of a resource is made from it.')
param environmentName string

@minLength(1)
@description('A region that has Functions Flex Consumption and Azure Machine Learning.')
param location string

@description('Object id of who deploys: may drop files, read results and use the workspace. Empty = nobody but the app.')
param principalId string = ''

@allowed(['User', 'ServicePrincipal', 'Group'])
param principalType string = 'User'

@allowed(['dev', 'prod'])
@description('Which of the files in stages/ says sizes, counts and limits.')
param stage string = 'dev'

@description('The label of datasets whose own configuration names none.')
param labelColumn string = 'y'

@description('Who is told of failed runs, silent timers and money spent. Empty = no alerts and no budget.')
param alertEmail string = ''

@description('First day of the budget, yyyy-MM-01. Empty = that of the month of the deployment.')
param budgetStart string = ''

@description('Client id of an app registration by which people sign in. Empty = function keys alone.')
param authClientId string = ''

param thisMonth string = utcNow('yyyy-MM')

var stages = {
  dev: loadJsonContent('stages/dev.json')
  prod: loadJsonContent('stages/prod.json')
}
var chosen = stages[stage]
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
  application: 'dropml'
  stage: stage
}
var containers = {
  incoming: 'incoming'
  data: 'dropml-data'
  quarantine: 'dropml-quarantine'
  state: 'dropml-state'
  batch: 'dropml-batch'
}
var deadLetters = 'dead-letters'
var datastore = 'dropml_data'
var cluster = 'cpu-cluster'
var workspaceName = 'mlw-dropml-${token}'
var appName = 'func-dropml-${token}'
var hostAccount = 'sthost${token}'
var dataAccount = 'stdata${token}'
var workspaceAccount = 'stml${token}'
var firstDay = empty(budgetStart) ? '${thisMonth}-01' : budgetStart

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-dropml-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-dropml-${token}'
    location: location
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    hostAccount: hostAccount
    dataAccount: dataAccount
    workspaceAccount: workspaceAccount
    containers: containers
    deadLetters: deadLetters
    packageContainer: 'app-package'
    sku: chosen.storageSku
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    logsName: 'log-dropml-${token}'
    insightsName: 'appi-dropml-${token}'
    deploymentsName: 'appi-ml-${token}'
    retentionDays: chosen.logDays
    dailyGigabytes: chosen.dailyLogGigabytes
    location: location
    tags: tags
  }
}

module workspace 'modules/workspace.bicep' = {
  name: 'workspace'
  scope: group
  params: {
    name: workspaceName
    vaultName: 'kv${token}'
    registryName: 'cr${token}'
    storageId: storage.outputs.workspaceAccountId
    insightsId: monitoring.outputs.deploymentsInsightsId
    dataAccount: dataAccount
    dataContainer: containers.data
    datastoreName: datastore
    clusterName: cluster
    clusterSize: chosen.clusterSize
    clusterNodes: chosen.clusterNodes
    clusterPriority: chosen.clusterPriority
    location: location
    tags: tags
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    appPrincipal: identity.outputs.principalId
    workspacePrincipal: workspace.outputs.principalId
    clusterPrincipal: workspace.outputs.clusterPrincipalId
    topicPrincipal: eventgrid.outputs.principalId
    personPrincipal: principalId
    personType: principalType
    hostAccount: hostAccount
    dataAccount: dataAccount
    workspaceAccount: workspaceAccount
    dataContainer: containers.data
    deadLetters: deadLetters
    workspaceName: workspace.outputs.name
    vaultName: workspace.outputs.vaultName
    registryName: workspace.outputs.registryName
    insightsName: monitoring.outputs.insightsName
    topicName: eventgrid.outputs.name
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  scope: group
  dependsOn: [roles]
  params: {
    name: appName
    planName: 'plan-dropml-${token}'
    serviceName: 'api'
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostAccount: hostAccount
    hostBlobEndpoint: storage.outputs.hostBlobEndpoint
    packageContainer: storage.outputs.packageContainer
    dataBlobEndpoint: storage.outputs.dataBlobEndpoint
    dataQueueEndpoint: storage.outputs.dataQueueEndpoint
    containers: containers
    workspaceName: workspace.outputs.name
    datastoreName: datastore
    clusterName: cluster
    instanceType: chosen.instanceType
    instanceCount: chosen.instanceCount
    alwaysReady: chosen.alwaysReady
    maximumInstances: chosen.maximumInstances
    insightsConnection: monitoring.outputs.connectionString
    eventTopic: eventgrid.outputs.name
    labelColumn: labelColumn
    stageSettings: chosen.settings
    location: location
    tags: tags
  }
}

module eventgrid 'modules/eventgrid.bicep' = {
  name: 'eventgrid'
  scope: group
  params: {
    name: 'evgt-dropml-${token}'
    accountId: storage.outputs.dataAccountId
    location: location
    tags: tags
  }
}

module auth 'modules/auth.bicep' = if (!empty(authClientId)) {
  name: 'auth'
  scope: group
  params: {
    appName: app.outputs.name
    clientId: authClientId
  }
}

module alerts 'modules/alerts.bicep' = if (!empty(alertEmail)) {
  name: 'alerts'
  scope: group
  params: {
    email: alertEmail
    insightsId: monitoring.outputs.insightsId
    location: location
    tags: tags
  }
}

module budget 'modules/budget.bicep' = if (!empty(alertEmail)) {
  name: 'budget'
  scope: group
  params: {
    name: 'budget-dropml-${token}' // an environment's name may be too long, or hold a dot
    amount: chosen.monthlyBudget
    firstDay: firstDay
    email: alertEmail
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZUREML_WORKSPACE string = workspace.outputs.name
output FUNCTION_APP_NAME string = app.outputs.name
output FUNCTION_APP_URI string = app.outputs.uri
output DATA_ACCOUNT_NAME string = dataAccount
output DATA_ACCOUNT_ID string = storage.outputs.dataAccountId
output INCOMING_CONTAINER string = containers.incoming
output DEAD_LETTER_CONTAINER string = deadLetters
output EVENT_TOPIC_NAME string = eventgrid.outputs.name
