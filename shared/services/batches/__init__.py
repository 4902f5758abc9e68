"""Many rows, from a file into a file."""
