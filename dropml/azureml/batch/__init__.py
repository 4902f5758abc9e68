"""Batch endpoints and their deployments."""
