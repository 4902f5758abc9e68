"""The application behind its doors: what it is set to, and what builds each part."""
