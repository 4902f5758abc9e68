"""A run's and a dataset's documents, the states of a run, the ledger."""
