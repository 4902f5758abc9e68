"""Checks of what deploys to Azure: templates, hooks, workflows, and the dates that they depend on."""
