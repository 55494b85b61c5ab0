"""What some models' servers do with a prompt, as their published source says.

This decides a model's format first. A schema does not show that a server without an input for system text
writes the format itself, and models of one family differ in that.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class ModelServer(NamedTuple):
    """A server: the models that it runs, their family, whether it writes the format itself, the source."""

    models: str
    family: str
    wraps: bool
    source: str


SERVERS = (
    ModelServer(r"google-deepmind/gemma2-(9b|27b)-it", "gemma", True, "lucataco/cog-gemma2-it predict.py"),
    ModelServer(r"google-deepmind/gemma-2-2b-it", "gemma", False, "lucataco/cog-gemma-2-2b predict.py"),
    ModelServer(r"google-deepmind/gemma-(2b|7b)-it", "gemma", False, "chenxwh/cog-gemma predict.py"),
    ModelServer(
        r"stability-ai/stablelm-tuned-alpha-\db", "stablelm", True, "replicate/cog-stablelm predict.py"
    ),
    ModelServer(r"lucataco/mistrallite", "oasst-llama", True, "lucataco/cog-mistral-lite predict.py"),
    ModelServer(
        r"(replicate/)?dolly-v2-12b|deniyes/dolly-v2-12b-demo",
        "dolly",
        True,
        "replicate/cog-dolly-v2-12b predict.py",
    ),
    ModelServer(r"lucataco/vicuna-\d+b-v1\.3", "vicuna", False, "lucataco/cog-vicuna-7b-v1.3 predict.py"),
    ModelServer(r"lucataco/phi-2", "phi-2", False, "lucataco/cog-phi-2 predict.py"),
    ModelServer(
        r"joehoover/falcon-40b-instruct|tvytlx/chatglm6b", "plain", False, "their examples: bare questions"
    ),
    ModelServer(
        r"nwhitehead/llama2-7b-chat-gptq",
        "llama-2",
        False,
        "its example; its default prompt is of a model before",
    ),
)


@lru_cache(maxsize=4096)
def server_of(model: str | None) -> ModelServer | None:
    """What is known of a model's server, by `owner/name`."""
    name = (model or "").removeprefix("replicate/").partition(":")[0].lower()
    return next((server for server in SERVERS if re.fullmatch(server.models, name)), None)
