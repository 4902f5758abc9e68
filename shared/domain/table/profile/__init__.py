"""What each column holds and what is odd about it."""
