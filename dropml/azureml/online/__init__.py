"""Online endpoints and their deployments, as resources; the process behind each is `serving`."""
