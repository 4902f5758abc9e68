"""A request: checked, sent to a deployment, answered; keys fetched and rotated."""
