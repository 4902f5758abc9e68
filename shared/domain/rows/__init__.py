"""Rows to score: read, checked against the schema, answered in the caller's shape."""
