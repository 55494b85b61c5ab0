"""Many prompts at once, each answer as it comes. Give the number of prompts, else it is 100."""

import asyncio
import sys

from areplicate import AsyncRouter


async def main(count: int) -> None:
    requests = (
        {
            "model": "meta/meta-llama-3-8b-instruct",
            "messages": [{"role": "user", "content": f"Give me a fact about the number {n}."}],
        }
        for n in range(count)
    )
    failed = 0
    async with AsyncRouter() as router:
        async for result in router.map(requests, progress=True):
            failed += result.error is not None
    print(f"{count - failed} answered, {failed} failed")


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
