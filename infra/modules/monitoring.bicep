// Logs and telemetry, with a daily cap. The app's telemetry is taken from its identity alone. Deployments have a component of their
// own: azureml-inference-server-http knows nothing but its key, which opens nothing and lets telemetry in.
param logsName string
param insightsName string
param deploymentsName string
@minValue(30)
@maxValue(730)
param retentionDays int
param dailyGigabytes int
param location string
param tags object

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: logsName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    workspaceCapping: { dailyQuotaGb: dailyGigabytes }
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
  }
}

resource deployments 'Microsoft.Insights/components@2020-02-02' = {
  name: deploymentsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: false
  }
}

output insightsId string = insights.id
output insightsName string = insights.name
output deploymentsInsightsId string = deployments.id
output connectionString string = insights.properties.ConnectionString
