"""A reverse proxy of Replicate's own API: what aiohttp costs if nothing is added to it.

Run as `python -m benchmarks.clients.bare_proxy PORT API_BASE`.
"""

from __future__ import annotations

import sys

import aiohttp
from aiohttp import web

KEPT = ("Authorization", "Content-Type", "Prefer", "Accept")


async def proxy(api_base: str) -> web.Application:
    """An application that passes everything on to the API as it is."""
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def pass_on(request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name in KEPT}
        url, body = api_base.removesuffix("/v1") + request.path, await request.read() or None
        async with session.request(request.method, url, headers=headers, data=body) as answer:
            kind = {"Content-Type": answer.headers["Content-Type"]}
            if not kind["Content-Type"].startswith("text/event-stream"):
                return web.Response(status=answer.status, body=await answer.read(), headers=kind)
            response = web.StreamResponse(status=answer.status, headers=kind)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    return app


if __name__ == "__main__":
    port, base = sys.argv[1:]
    web.run_app(proxy(base), host="127.0.0.1", port=int(port), access_log=None, print=None, backlog=4096)
