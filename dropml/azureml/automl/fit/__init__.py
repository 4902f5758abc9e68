"""Encoding, algorithms and metrics: one member fitted and measured."""
