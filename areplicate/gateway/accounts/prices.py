"""What Replicate's models cost, in US dollars, as of November 2026.

Where the figures come from, read in that month:

- `HARDWARE`: the table at replicate.com/pricing, from a stored copy that bears no date.
- `_TOKENS`: the `replicate/` entries of `model_prices_and_context_window.json` in LiteLLM 1.106.2, under
  Replicate's own names for the models. Llama 3.1 405B is not among them: it is reckoned from the example
  at replicate.com/docs/billing, 8 tokens in for $0.0000760 and 43 out for $0.0004085.

Official language models are paid by the token, all others by the second of the hardware that they run
on. Prices change: `model_info` in the configuration overrides them (`input_cost_per_token`,
`output_cost_per_token`, `input_cost_per_second`, or `hardware`).
"""

from __future__ import annotations

import msgspec

from ...chat.responses import Run
from ...replicate.endpoints import strip_prefix

_MILLION = 1_000_000

HARDWARE = {
    "cpu": 0.000100,
    "gpu-t4": 0.000225,
    "gpu-a40-small": 0.000575,
    "gpu-a40-large": 0.000725,
    "gpu-a40-large-2x": 0.001450,
    "gpu-a40-large-4x": 0.002900,
    "gpu-a40-large-8x": 0.005800,
    "gpu-l40s": 0.000975,
    "gpu-l40s-2x": 0.001950,
    "gpu-l40s-4x": 0.003900,
    "gpu-l40s-8x": 0.007800,
    "gpu-a100-large": 0.001400,
    "gpu-a100-large-2x": 0.002800,
    "gpu-a100-large-4x": 0.005600,
    "gpu-a100-large-8x": 0.011200,
    "gpu-h100": 0.001525,
    "gpu-h100-2x": 0.003050,
    "gpu-h100-4x": 0.006100,
    "gpu-h100-8x": 0.012200,
}
"""Dollars a second, by Replicate's names for its hardware."""

_TOKENS: dict[str, tuple[float, float]] = {
    "meta/llama-2-13b": (0.10, 0.50),
    "meta/llama-2-13b-chat": (0.10, 0.50),
    "meta/llama-2-70b": (0.65, 2.75),
    "meta/llama-2-70b-chat": (0.65, 2.75),
    "meta/llama-2-7b": (0.05, 0.25),
    "meta/llama-2-7b-chat": (0.05, 0.25),
    "meta/meta-llama-3-70b": (0.65, 2.75),
    "meta/meta-llama-3-70b-instruct": (0.65, 2.75),
    "meta/meta-llama-3-8b": (0.05, 0.25),
    "meta/meta-llama-3-8b-instruct": (0.05, 0.25),
    "meta/meta-llama-3.1-405b-instruct": (9.50, 9.50),
    "mistralai/mistral-7b-instruct-v0.2": (0.05, 0.25),
    "mistralai/mistral-7b-v0.1": (0.05, 0.25),
    "mistralai/mixtral-8x7b-instruct-v0.1": (0.30, 1.00),
    "deepseek-ai/deepseek-r1": (3.75, 10.00),
    "deepseek-ai/deepseek-v3": (1.45, 1.45),
    "deepseek-ai/deepseek-v3.1": (0.672, 2.016),
    "anthropic/claude-3.5-haiku": (1.00, 5.00),
    "anthropic/claude-3.5-sonnet": (3.75, 18.75),
    "anthropic/claude-3.7-sonnet": (3.00, 15.00),
    "anthropic/claude-4-sonnet": (3.00, 15.00),
    "anthropic/claude-4.5-haiku": (1.00, 5.00),
    "anthropic/claude-4.5-sonnet": (3.00, 15.00),
    "google/gemini-2.5-flash": (0.30, 2.50),
    "ibm-granite/granite-3.3-8b-instruct": (0.03, 0.25),
    "openai/gpt-4.1": (2.00, 8.00),
    "openai/gpt-4.1-mini": (0.40, 1.60),
    "openai/gpt-4.1-nano": (0.10, 0.40),
    "openai/gpt-4o": (2.50, 10.00),
    "openai/gpt-4o-mini": (0.15, 0.60),
    "openai/gpt-5": (1.25, 10.00),
    "openai/gpt-5-mini": (0.25, 2.00),
    "openai/gpt-5-nano": (0.05, 0.40),
    "openai/gpt-oss-120b": (0.18, 0.72),
    "openai/gpt-oss-20b": (0.09, 0.36),
    "openai/o1": (15.00, 60.00),
    "openai/o1-mini": (1.10, 4.40),
    "openai/o4-mini": (1.00, 4.00),
    "qwen/qwen3-235b-a22b-instruct-2507": (0.264, 1.06),
    "xai/grok-4": (7.20, 36.00),
}
"""Dollars a million tokens of the prompt, and of the answer."""


class Price(msgspec.Struct, frozen=True):
    """Dollars a token of the prompt, a token of the answer, and a second of running."""

    input_token: float = 0.0
    output_token: float = 0.0
    second: float = 0.0

    def of_run(self, run: Run) -> float:
        """What one prediction cost."""
        cost = (run.predict_s or 0.0) * self.second
        if run.usage is not None:
            cost += self.of_tokens(run.usage.prompt_tokens, run.usage.completion_tokens)
        return cost

    def of_tokens(self, prompt: int, completion: int) -> float:
        return prompt * self.input_token + completion * self.output_token


UNKNOWN = Price(second=HARDWARE["gpu-a100-large"])
"""For models without a published token price: what most language models run on."""


def published_price(model: str) -> Price:
    """The published price of a model string; versions cost what their model does."""
    name = strip_prefix(model).partition(":")[0].lower()
    if (tokens := _TOKENS.get(name)) is None:
        return UNKNOWN
    return Price(tokens[0] / _MILLION, tokens[1] / _MILLION)
