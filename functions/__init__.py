"""The doors: a file a family of routes or triggers, each bound to one call of a service."""
