"""What the app has and what it lacks, with the command that mends it."""
