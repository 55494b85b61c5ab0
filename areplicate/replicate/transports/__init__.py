"""HTTP connections to Replicate: what a transport is, two of them, and the proxies that they go through.

`base` is what a transport is, `aiohttp` the default one, `httpx` the other. `proxies` finds a request's proxy and
certificates.
"""
