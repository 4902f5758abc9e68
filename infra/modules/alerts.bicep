// What a person must hear of at night, asked of Application Insights.
param email string
param insightsId string
param location string
param tags object

var rules = [
  {
    name: 'dropml-run-failed'
    text: 'A run failed; its explanation stands in /api/runs.'
    query: 'customEvents | where name == "run_state" and tostring(customDimensions.state) == "failed"'
    operator: 'GreaterThan'
    threshold: 0
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
  }
  {
    name: 'dropml-timers-silent'
    text: 'The lifecycle timer has not run for half an hour: nothing moves.'
    query: 'requests | where name == "advance"'
    operator: 'LessThan'
    threshold: 1
    severity: 1
    every: 'PT15M'
    window: 'PT30M'
  }
  {
    name: 'dropml-endpoint-errors'
    text: 'Calls to /api/score end with 5xx.'
    query: 'requests | where name == "POST /api/score" and toint(resultCode) >= 500'
    operator: 'GreaterThan'
    threshold: 5
    severity: 1
    every: 'PT5M'
    window: 'PT15M'
  }
  {
    name: 'dropml-poison-queue'
    text: 'A dropped file failed at every try and lies in webjobs-blobtrigger-poison.'
    query: 'traces | where message has "webjobs-blobtrigger-poison"'
    operator: 'GreaterThan'
    threshold: 0
    severity: 2
    every: 'PT15M'
    window: 'PT15M'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'dropml-people'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'dropml'
    enabled: true
    emailReceivers: [{ name: 'owner', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: rule.name
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.name
    description: rule.text
    severity: rule.severity
    enabled: true
    skipQueryValidation: true // asked before the first telemetry, a table may not be there yet, and `azd up` would end here
    scopes: [insightsId]
    evaluationFrequency: rule.every
    windowSize: rule.window
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: true
    actions: { actionGroups: [people.id] }
  }
}]
