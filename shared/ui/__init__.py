"""The dashboard: pages, sessions, what is asked before an act."""
