"""Which provider an entry of `model_list` is for, and which key may go where.

LiteLLM's file has entries of many providers. Those of others have keys of others, which must not go to Replicate;
nor must Replicate's key go to an address that it does not belong to.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ...options.access import API_BASE, BASE_VARIABLES, KEY_VARIABLES
from ..addresses import beginning_of, is_loopback
from .environment import Environment

_OWN_PREFIXES = ("replicate/", "deployments/")
_PROVIDER_NAMES = """
    abliteration ai21 ai21_chat aiand aiml aiohttp_openai aleph_alpha amazon_nova anthropic anthropic_text
    apertis assemblyai auto_router aws_polly azure azure_ai azure_speech azure_text baseten bedrock
    bedrock_converse bedrock_mantle bespoke bigmodel bytez cerebras charity_engine chatgpt chutes clarifai
    clf_ai_gateway cloudflare codestral cognition cohere cohere_chat cometapi compactifai coralbricks
    cortecs custom custom_openai darkbloom dashscope databricks databricks_agent datarobot deepgram
    deepinfra deepseek docker_model_runner edenai elevenlabs empiriolabs empower eu_jev fal_ai
    featherless_ai fireworks_ai friendliai galadriel gdc gemini gigachat github github_copilot gmi
    gradient_ai groq helicone heroku hosted_vllm hostinger_router huggingface humanloop hyperbolic
    inferenceapis infinity jina_ai kyma lambda_ai langflow langfuse langgraph laya lemonade libertai
    litellm_proxy llamafile llamagate lm_studio manus maritalk meta_llama microsoft_365_copilot minimax
    mistral modelscope moonshot morph nace nadir nano-gpt nebius neosantara nlp_cloud novita nscale
    nvidia_nim nvidia_riva oci ollama ollama_chat oobabooga openai openai_like opencode_go openinfer
    openrouter ovhcloud palm parallel_ai parasail perplexity petals pinstripes poe predibase publicai
    qwen_ai_platform qwencloud ragflow recraft refuseless reka sagemaker sagemaker_chat sagemaker_nova
    sambanova sap scaledown scaleway scx-ai snowflake strands_decider streamlake synthetic tensormesh
    text-completion-codestral text-completion-inception text-completion-openai together_ai topaz triton
    typesafe v0 vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage wally wandb watsonx
    watsonx_text xai xiaomi_mimo xinference zai zerogpu
"""
"""Source: LiteLLM's list of providers. Some are owners at Replicate, too: `replicate/` in front tells them apart."""
_LITELLM_PROVIDERS = frozenset(_PROVIDER_NAMES.split())
_REPLICATES = re.compile(r"\*|[^/:]+/[^/:]+(:.*)?|[^/:]+:[0-9a-f]{64}")
"""How Replicate's models are called: owner/name, with a version or without, or name:version."""


def other_provider(model: str, named: str | None = None) -> str | None:
    """The provider that a model string is for; None if it is Replicate.

    Args:
        named: `custom_llm_provider`.
    """
    if named and named != "replicate":
        return named
    if named or model.startswith(_OWN_PREFIXES):
        return None
    first = model.partition("/")[0]
    if first in _LITELLM_PROVIDERS:
        return first
    return None if _REPLICATES.fullmatch(model) else "it is not owner/name"  # gpt-4o, gmi/deepseek-ai/V3


def if_it_is_replicates(model: str, named: str | None = None) -> str:
    """What to do about an entry of another provider if Replicate's model is meant."""
    if named and named != "replicate":
        return "custom_llm_provider must be replicate if it is Replicate's"
    if "/" in model and _REPLICATES.fullmatch(model):
        return f"write replicate/{model} if it is Replicate's model of that name"
    return "Replicate's models are called owner/name"


def is_prefixed(model: str) -> bool:
    """Whether a model string says by its prefix that it is Replicate's."""
    return model.startswith(_OWN_PREFIXES)


def own_key(base: str, environment: Environment) -> str | None:
    """The key in the environment, if it belongs to that base; None if there is no key.

    Raises:
        ValueError: there is a key, and it belongs to another base.
    """
    key = environment.first(*KEY_VARIABLES)
    if key is None:
        return None
    belongs = beginning_of(own_base(environment))
    if beginning_of(base) != belongs:
        raise ValueError(
            f"{key[0]} belongs to {belongs} and is not sent to {beginning_of(base)}: give api_key."
        )
    return key[1]


def own_base(environment: Environment) -> str:
    """Where the API is unless an entry says otherwise: the environment's base, else Replicate itself."""
    found = environment.first(*BASE_VARIABLES)
    return found[1] if found is not None else API_BASE


def looks_foreign(key: str, base: str) -> bool:
    """Whether a key would go to Replicate itself and does not look like one of Replicate's keys."""
    host = (urlsplit(base).hostname or "").removesuffix(".")
    return f".{host}".endswith(".replicate.com") and not key.startswith("r8_")


def in_clear_text(base: str) -> bool:
    """Whether a key would leave this machine unencrypted."""
    parts = urlsplit(base)
    return parts.scheme == "http" and not is_loopback(parts.hostname)
