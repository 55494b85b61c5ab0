"""Decides which chat format a model gets, in this order:

1. What is known of its server, from the published source (`SERVERS`): a schema does not show that a server without
   an input for system text writes the format itself, and models of one family differ in that.
2. Its own template and its default prompt. A family is named only if its rendering of one turn equals
   the model's template; a template of no known family is kept, with earlier turns in its own tags.
3. The prompt of its example.
4. Its name (`table`).
5. Plain text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

from .families import FAMILIES, PLAIN_FAMILY, Family, Shown, family_of
from .format import PromptTemplate

_NOTHING = "nothing: plain text"
_OLLAMA = re.compile("ollama", re.IGNORECASE)


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


class Decision(msgspec.Struct, frozen=True):
    """A model's format.

    Attributes:
        family: its name, or "its own".
        template: the format.
        by: what decided, in words.
        wraps: the server writes the format around the prompt.
        switch_off: the input that is set to `{prompt}` if the prompt is the whole conversation, so
            that the server adds no format.
    """

    family: str
    template: PromptTemplate
    by: str
    wraps: bool = False
    switch_off: str | None = None

    def opened_by(self, tokens: PromptTemplate) -> PromptTemplate | None:
        """The format with a token of the user's before the whole text; a server that writes it has its own."""
        if self.wraps:
            return None
        opening = tokens.bos_token + self.template.initial_prompt_value
        return msgspec.structs.replace(self.template, initial_prompt_value=opening)


def decide(
    shown: Shown, names: tuple[str, ...], *, chats: bool, takes_media: bool, inputs: frozenset[str]
) -> Decision:
    """The format of a model.

    Args:
        names: the model's name, and the one that it was called by, such as a deployment's.
        chats: it has an input for system text or for earlier messages: its server writes the format itself.
        takes_media: it has an input for media.
        inputs: the names of all its inputs.
    """
    for name in names:
        if server := server_of(name):
            template = FAMILIES[server.family].template
            return Decision(server.family, template, f"its server: {server.source}", server.wraps)
    if shown.turns is not None:
        own = shown.turns.template()
        return Decision("its own", own, "its prompt template", wraps=True, switch_off=shown.template)
    chats = chats or any(map(_OLLAMA.search, names))
    family, by = _family(shown, names, chats, inputs)
    has_template = shown.template is not None
    if has_template and shown.adds == "format" and by != _NOTHING:
        return Decision(family.name, family.template, by, switch_off=shown.template)
    # What takes an image puts it into the text itself, so it writes the format around it as well;
    # unless the model's own prompts show the format.
    writes_it = chats or (takes_media and shown.family is None)
    wraps = shown.adds != "nothing" if has_template else writes_it
    return Decision(family.name, family.template, by, wraps)


def _family(shown: Shown, names: tuple[str, ...], chats: bool, inputs: frozenset[str]) -> tuple[Family, str]:
    if shown.family in FAMILIES:
        return FAMILIES[shown.family], f"its {shown.by}"
    # Such a model is a chat model, whether or not its name says so.
    kinds = ("", "-chat", "-instruct") if chats else ("",)
    for name in names:
        for kind in kinds:
            if (family := family_of(name.partition(":")[0] + kind)) is not PLAIN_FAMILY:
                return family, "its name"
    if {"replicate_weights", "system_prompt"} <= inputs:
        return FAMILIES["llama-2"], "its inputs: Replicate's own Llama 2 server has the same"
    return PLAIN_FAMILY, _NOTHING
