"""Run history, MLflow tracking, artifacts."""
