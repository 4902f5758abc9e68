"""What each page of the dashboard shows."""
