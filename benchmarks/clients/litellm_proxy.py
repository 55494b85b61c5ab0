"""LiteLLM's proxy with the provider's URLs redirected: `python -m benchmarks.clients.litellm_proxy ARGUMENTS`.

The arguments are those of `litellm`; the API base comes from the environment, as `BENCHMARK_API_BASE`.
"""

from __future__ import annotations

import os

from .litellm_client import redirect

redirect(os.environ["BENCHMARK_API_BASE"])

from litellm.proxy.proxy_cli import run_server  # type: ignore[import-not-found,unused-ignore] # noqa: E402

run_server()
