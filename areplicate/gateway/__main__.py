"""`python -m areplicate.gateway --config config.yaml`."""

from __future__ import annotations

from . import early_signals

early_signals.remember()

from .command import serve  # noqa: E402 - its imports take a while, in which SIGHUP may come

serve(prog_name="areplicate serve")
