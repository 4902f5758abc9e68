"""The workspace itself: computes, datastores and the blob account behind them, the ingestion of telemetry."""
