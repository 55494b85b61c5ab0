"""The chat formats of the model families that run on Replicate, and how a model's is found.

To add a family, add a row: the name, a pattern for the names of its chat models (`owner/name`, lower
case), a pattern for what its format looks like inside a prompt, and the format. The first row that
fits wins, so a fine-tune that has a format of its own stands above the model it was made from. Base
models fit no row: they continue plain text.

A token that opens the whole text (`<s>`, `<|begin_of_text|>`) is left out: the model's tokenizer puts
it there. Sources: the `chat_template` in each family's published tokenizer_config.json.
"""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .format import PromptTemplate

_Around = tuple[str, str]


class Family(NamedTuple):
    """A chat format, and the patterns by which its models and its prompts are known."""

    name: str
    template: PromptTemplate
    names: str = ""
    marks: str = ""

    def is_of(self, model: str) -> bool:
        return bool(self.names and re.search(self.names, model))

    def is_seen_in(self, prompt: str) -> bool:
        return bool(self.marks and re.search(self.marks, prompt, re.DOTALL))


def _tagged(before: str, after: str, assistant: str = "assistant", **more: str) -> PromptTemplate:
    """A format that sets every message between the same tags, which name its role."""
    roles = {"system": "system", "user": "user", "assistant": assistant, **more}
    return PromptTemplate(
        {role: (before.format(name), after) for role, name in roles.items()},
        final_prompt_value=before.format(assistant),
    )


def _labelled(system: _Around, user: _Around, assistant: _Around, final: str) -> PromptTemplate:
    """A format whose roles differ in more than a name."""
    return PromptTemplate({"system": system, "user": user, "assistant": assistant}, final_prompt_value=final)


def _turns(
    user: _Around, assistant: _Around, final: str = "", system: _Around = ("", "\n\n")
) -> PromptTemplate:
    """A format of strictly alternating turns, where system text opens the user's."""
    return PromptTemplate(
        {"user": user, "assistant": assistant},
        final_prompt_value=final,
        system_in_user=system,
        alternating=True,
    )


PLAIN = PromptTemplate(
    {
        "system": ("", "\n\n"),
        "user": ("User: ", "\n\n"),
        "assistant": ("Assistant: ", "\n\n"),
        "tool": ("Tool: ", "\n\n"),
    },
    final_prompt_value="Assistant:",
    lone_turn_as_is=True,
)
_CHATML = _tagged("<|im_start|>{}\n", "<|im_end|>\n")
_CHATML.roles["tool"] = ("<|im_start|>user\n<tool_response>\n", "\n</tool_response><|im_end|>\n")
_ZEPHYR = _tagged("<|{}|>\n", "</s>\n")
_ALPACA = _labelled(
    ("", "\n\n"), ("### Instruction:\n", "\n\n"), ("### Response:\n", "\n\n"), "### Response:\n"
)
_VICUNA = _labelled(("", " "), ("USER: ", " "), ("ASSISTANT: ", "</s>"), "ASSISTANT:")
_LLAMA_3 = _tagged("<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>", tool="ipython")
_LLAMA_4 = _tagged("<|header_start|>{}<|header_end|>\n\n", "<|eot|>", tool="ipython")
_GRANITE = _tagged("<|start_of_role|>{}<|end_of_role|>", "<|end_of_text|>\n", tool="tool_response")
_DEEPSEEK_CODER = _labelled(
    ("", "\n"), ("### Instruction:\n", "\n"), ("### Response:\n", "\n<|EOT|>\n"), "### Response:\n"
)
_DEEPSEEK_CHAT = _labelled(
    ("", "\n\n"), ("User: ", "\n\n"), ("Assistant: ", "<｜end▁of▁sentence｜>"), "Assistant:"
)
_DEEPSEEK = _labelled(
    ("", ""), ("<｜User｜>", ""), ("<｜Assistant｜>", "<｜end▁of▁sentence｜>"), "<｜Assistant｜>"
)
_CODELLAMA_70B = _labelled(
    ("Source: system\n\n ", " <step> "),
    ("Source: user\n\n ", " <step> "),
    ("Source: assistant\n\n ", " <step> "),
    "Source: assistant\nDestination: user\n\n ",
)
_GRANITE_CODE = _labelled(("System:\n", "\n\n"), ("Question:\n", "\n\n"), ("Answer:\n", "\n\n"), "Answer:\n")
_SOLAR = _labelled(
    ("### System:\n", "\n\n"), ("### User:\n", "\n\n"), ("### Assistant:\n", "\n\n"), "### Assistant:\n"
)
_COMMAND_R = _tagged(
    "<|START_OF_TURN_TOKEN|><|{}_TOKEN|>",
    "<|END_OF_TURN_TOKEN|>",
    assistant="CHATBOT",
    system="SYSTEM",
    user="USER",
)
_LLAMA_2 = _turns(("[INST] ", " [/INST]"), (" ", " </s><s>"), system=("<<SYS>>\n", "\n<</SYS>>\n\n"))
_OPENCHAT = _labelled(
    ("GPT4 Correct System: ", "<|end_of_turn|>"),
    ("GPT4 Correct User: ", "<|end_of_turn|>"),
    ("GPT4 Correct Assistant: ", "<|end_of_turn|>"),
    "GPT4 Correct Assistant:",
)
_STABLELM = _labelled(("<|SYSTEM|>", ""), ("<|USER|>", ""), ("<|ASSISTANT|>", ""), "<|ASSISTANT|>")
_PHI_2 = _labelled(("", "\n"), ("Instruct: ", "\n"), ("Output: ", "\n"), "Output:")
_GEMMA = _turns(
    ("<start_of_turn>user\n", "<end_of_turn>\n"),
    ("<start_of_turn>model\n", "<end_of_turn>\n"),
    "<start_of_turn>model\n",
)

# fmt: off
_ROWS: list[tuple[str, PromptTemplate, str, str]] = [
    # A chat API behind a prompt field: nobody outside sees its format, so turns are written out.
    ("closed", PLAIN, r"^(openai|anthropic|xai|moonshotai|perplexity)/|^google/gemini"
                      r"|^deepseek-ai/deepseek-[rv]\d|llama-?guard|prompt-guard", ""),
    ("llama-4", _LLAMA_4, r"llama-?4-(scout|maverick)", r"<\|header_start\|>"),
    ("deepseek", _DEEPSEEK, r"deepseek-?(r1|v3)", r"<｜User｜>"),
    ("deepseek-chat", _DEEPSEEK_CHAT, r"deepseek-(coder-)?v2|deepseek.*chat", r"<｜end▁of▁sentence｜>"),
    ("solar", _SOLAR, r"solar.*instruct|upstage.*instruct|neural-chat", r"### User:"),
    ("alpaca", _ALPACA, r"alpaca|wizardcoder|platypus|dolly|metamath|nous-hermes-(llama|\d+b)",
     r"### Instruction"),
    ("deepseek-coder", _DEEPSEEK_CODER, r"deepseek-coder-\d.*instruct|opencodeinterpreter-ds",
     r"### Instruction"),
    ("openchat", _OPENCHAT, r"openchat|starling", r"<\|end_of_turn\|>"),
    ("phi-4", _tagged("<|im_start|>{}<|im_sep|>", "<|im_end|>"), r"phi-?4(?!-m)", r"<\|im_sep\|>"),
    ("phi-4-mini", _tagged("<|{}|>", "<|end|>"), r"phi-?4-m", ""),
    ("chatml", _CHATML, r"qwen|qwq|qvq|yi-.*chat|hermes|dolphin|orca|internlm2|smollm.*instruct|chatml",
     r"<\|im_start\|>"),
    ("phi-3", _tagged("<|{}|>\n", "<|end|>\n"), r"phi-?3", r"<\|user\|>.*<\|end\|>"),
    ("zephyr", _tagged("<|{}|>\n", "</s>\n"), r"zephyr|tinyllama.*chat", r"<\|user\|>.*</s>"),
    ("chatglm", _tagged("<|{}|>\n", "", tool="observation"), r"chatglm-?3|glm-4", r"<\|user\|>\n"),
    ("stablelm", _STABLELM, r"stablelm-tuned", r"<\|USER\|>"),
    ("granite", _GRANITE, r"granite-[34].*(instruct|small|tiny|micro)", r"<\|start_of_role\|>"),
    ("granite-code", _GRANITE_CODE, r"granite.*code.*instruct", r"Question:\n.*Answer:\n"),
    ("command-r", _COMMAND_R, r"command-r|aya-(23|expanse)", r"<\|START_OF_TURN_TOKEN\|>"),
    ("vicuna", _VICUNA, r"vicuna|wizardlm|airoboros|llava|synthia", r"USER:.*ASSISTANT:"),
    ("codellama-70b", _CODELLAMA_70B, r"codellama-70b.*instruct", r"Source: user"),
    ("llama-3", _LLAMA_3, r"llama-?3(?!\d).*(instruct|chat|nemotron)|ollama-llama-?3|reflection",
     r"<\|start_header_id\|>"),
    ("mistral-tekken", _turns(("[INST]", "[/INST]"), ("", "</s>")), r"mistral-nemo|ministral|pixtral",
     r"\[INST\][^\s<]"),
    ("mistral-v3", _turns(("[INST] ", "[/INST]"), (" ", "</s>")),
     r"(mistral|mathstral).*v0\.3|8x22b-instruct|codestral|mistral-(large|small)",
     r"\[INST\] (?!<<SYS>>)[^\[]*\S\[/INST\]"),
    ("mistral", _turns(("[INST] ", " [/INST]"), (" ", "</s> ")),
     r"mi[sx]tral(?!ai/|lite|-7b-v0\.\d$|-8x\d+b(-v0\.1|-32k\w+)?$)", r"^(?!.*<<SYS>>).*\[INST\]"),
    ("llama-2", _LLAMA_2, r"llama-?2.*chat|codellama.*instruct", r"<<SYS>>|\[INST\]"),
    ("gemma", _GEMMA, r"gemma.*-it\b", r"<start_of_turn>"),
    ("falcon", PLAIN, r"falcon.*(instruct|chat)", ""),
    ("phi-2", _PHI_2, r"phi-?2$", r"Instruct:.*Output:"),
    ("plain", PLAIN, "", r"User:.*Assistant:"),
]
# fmt: on

FAMILIES = {row[0]: Family(*row) for row in _ROWS}
"""The families by name, in the order in which they are tried."""

_PLAIN_FAMILY = FAMILIES["plain"]


@lru_cache(maxsize=4096)
def family_of(model: str) -> Family:
    """A model's family by its name, with or without `replicate/` and a version.

    >>> family_of("replicate/meta/meta-llama-3-8b-instruct").name
    'llama-3'
    """
    name = model.removeprefix("replicate/").partition(":")[0].lower()
    return next((family for family in FAMILIES.values() if family.is_of(name)), _PLAIN_FAMILY)


def family_of_prompt(prompt: str, model: str | None = None) -> Family | None:
    """The family whose format stands in a prompt or a prompt template; None where none is seen.

    What a model's schema shows counts more than its name; the name decides where several fit.
    """
    named = family_of(model) if model is not None else _PLAIN_FAMILY
    if named is not _PLAIN_FAMILY and named.is_seen_in(prompt):
        return named
    return next((family for family in FAMILIES.values() if family.is_seen_in(prompt)), None)
