"""What a careful developer writes by hand on aiohttp: the floor that the others stand on.

It knows no cold boot longer than 60 s, no retry, no limit; its stream does not reconnect.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp

from . import worker


class Client:
    def __init__(self, api_base: str, key: str) -> None:
        self._base = api_base
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), headers={"Authorization": f"Bearer {key}"}
        )

    async def complete(self, model: str, prompt: str) -> str:
        async with self._session.post(
            f"{self._base}/models/{model}/predictions",
            json={"input": {"prompt": prompt}},
            headers={"Prefer": "wait"},
        ) as response:
            response.raise_for_status()
            return "".join((await response.json())["output"])

    async def stream(self, model: str, prompt: str) -> AsyncIterator[str]:
        async with self._session.post(
            f"{self._base}/models/{model}/predictions", json={"input": {"prompt": prompt}}
        ) as response:
            response.raise_for_status()
            url = (await response.json())["urls"]["stream"]
        async with self._session.get(url, headers={"Accept": "text/event-stream"}) as response:
            response.raise_for_status()
            event, data = "", []
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    data.append(value)
                elif not name:
                    if event == "output":
                        yield "\n".join(data)
                    elif event == "error":
                        raise RuntimeError(json.loads(data[0])["detail"])
                    elif event == "done":
                        return
                    event, data = "", []

    async def aclose(self) -> None:
        await self._session.close()


if __name__ == "__main__":
    worker.main(Client)
