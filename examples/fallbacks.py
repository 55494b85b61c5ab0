"""Several models under one name, and another that steps in if they fail."""

import asyncio

from areplicate import AsyncRouter

MODELS = [
    {"model_name": "small", "litellm_params": {"model": "meta/meta-llama-3-8b-instruct", "weight": 2}},
    {"model_name": "small", "litellm_params": {"model": "meta/meta-llama-3-8b-instruct", "rpm": 300}},
    {"model_name": "other", "litellm_params": {"model": "meta/meta-llama-3-8b-instruct"}},
]


async def main() -> None:
    async with AsyncRouter(model_list=MODELS, fallbacks=[{"small": ["other"]}]) as router:
        response = await router.acompletion("small", [{"role": "user", "content": "Hello"}])
        print(response.model, response.choices[0].message.content)


asyncio.run(main())
