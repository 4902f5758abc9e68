// Says what the group has cost before the month does. A budget tells; it stops nothing.
param name string
@minValue(1)
param amount int
param firstDay string
param email string

resource budget 'Microsoft.Consumption/budgets@2023-11-01' = {
  name: name
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: { startDate: '${firstDay}T00:00:00Z' }
    notifications: {
      half: { enabled: true, operator: 'GreaterThan', threshold: 50, contactEmails: [email] }
      nearly: { enabled: true, operator: 'GreaterThan', threshold: 90, contactEmails: [email] }
      ahead: { enabled: true, operator: 'GreaterThan', threshold: 100, thresholdType: 'Forecasted', contactEmails: [email] }
    }
  }
}
