"""Holds the emulator against Microsoft's specs and recorded answers: `python -m tests.conformance`."""
