"""Azurite: installed, started, stopped."""
