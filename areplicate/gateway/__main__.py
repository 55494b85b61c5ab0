"""`python -m areplicate.gateway --config config.yaml`."""

from __future__ import annotations

from .command import serve

serve(prog_name="areplicate serve")
