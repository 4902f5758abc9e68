"""What each command of `dropml` does."""
