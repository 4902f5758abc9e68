"""Counts in sentences."""

from __future__ import annotations


def counted(count: int, thing: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def was(count: int) -> str:
    return "was" if count == 1 else "were"
