"""Replicate's HTTP API, carefully: predictions created once, watched, streamed and cancelled. It knows
nothing of chat."""
