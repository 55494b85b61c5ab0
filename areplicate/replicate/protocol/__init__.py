"""Replicate's HTTP API as values. Nothing here does I/O."""
