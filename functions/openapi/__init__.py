"""The OpenAPI document, a file a family of routes."""
