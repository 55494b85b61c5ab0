"""Replicate's HTTP API as values. Nothing here does I/O.

`requests` has requests and answers, and the rules for their headers; `predictions`, `models` and `files` what they are
about; `events` parses streams. `decoding` reads JSON, `problems` makes exceptions of error answers, and
`platform_failures` knows which failures are not the model's.
"""
