"""What live calls are like: tallies of a canary, calls by the hour, captured rows, health."""
