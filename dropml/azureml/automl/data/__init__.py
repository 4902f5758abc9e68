"""An MLTable and its files as rows, columns typed."""
