"""Refused files: shown, released, discarded."""
