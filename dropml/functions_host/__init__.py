"""A local Azure Functions host: runs the very function_app.py that is deployed, by the real host's rules."""
