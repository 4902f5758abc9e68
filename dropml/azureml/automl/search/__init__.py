"""What is tried in which order, in worker processes."""
