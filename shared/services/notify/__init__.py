"""Telling people: outbox, sending, the poison queue."""
