"""What the retraining pipeline's own step runs on the compute. Standard library alone; it imports nothing of the app."""
