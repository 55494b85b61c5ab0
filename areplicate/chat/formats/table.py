"""The chat formats of the model families, one line each.

To add a family, add a line to `ROWS`: its name, its format, a pattern for the names of its chat models
(without the owner, lower case, `-` for `_`), and a pattern for what its format looks like in a prompt.
The first line that fits a name wins, so a fine-tune with a format of its own stands above the model that
it was made from. Base models fit no line: they continue plain text. tests/data/formats.jsonl has what
each format must give, with its source; a test fails for a family without.

A token that opens the whole text (`<s>`, `<|begin_of_text|>`) is left out: the model's tokenizer puts
it there.
"""
# ruff: noqa: RUF001 - DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

from typing import Any

from . import published_texts as texts
from . import tool_forms as forms
from .arrangement import SystemText
from .format import PromptTemplate
from .published_texts import PUBLISHED
from .shapes import (
    ALL,
    EOS,
    PLAIN,
    chatml,
    dated_llama_3,
    deepseek,
    labelled,
    llama_3,
    minimax_m1,
    minimax_m2,
    mistral,
    mistral_7,
    tagged,
    thinking_chatml,
    turns,
)

BASE = (
    r"-base\b|^(?!ernie).*-pt$"
    r"|^(meta-)?llama-?v?3(\.[12])?-\d+b$"
    r"|^mi[sx]tral-(7b|8x\d+b|nemo-\d+b)?(-?v0\.\d)?(-32k\w*)?$"
    r"|^qwen(-?(1\.5|2|2\.5))?-((coder|math)-)?[\d.]+b(-a[\d.]+b)?$"
    r"|^(code|recurrent|pali|shield)?gemma-?\d?n?(\.\d)?-e?\d+[bm](-a\d+b)?$|^paligemma|^yarn-"
    r"|^(code-?llama|falcon|mpt|pythia|starcoder)-?\d?-\d+b$"
)
"""The names of base models, if the family's chat models have no word of their own in theirs."""

_WHERE = SystemText(default="")
_HELPFUL = SystemText(default="You are a helpful assistant")
_ERNIE_THINKS = "<global_setting>\nthink_mode=True\n</global_setting>"
_LLAMA_4 = "<|header_start|>system<|header_end|>\n\n"
_KIMI = (
    ("<|im_system|>system<|im_middle|>", "<|im_end|>"),
    ("<|im_user|>user<|im_middle|>", "<|im_end|>"),
    ("<|im_assistant|>assistant<|im_middle|>", "<|im_end|>"),
)
_KIMI_ROLES = {
    "tools": ("<|im_system|>tool_declare<|im_middle|>", "<|im_end|>"),
    "tool": ("<|im_system|>tool<|im_middle|>", "<|im_end|>"),
}
_KIMI_THINKS = ("<|im_assistant|>assistant<|im_middle|><think>", "<|im_end|>")
_GRANITE = ("<|start_of_role|>{}<|end_of_role|>", "<|end_of_text|>\n")
_GRANITE_NAMES = {"tool": "tool_response", "tools": "available_tools"}
_COMMAND = ("<|START_OF_TURN_TOKEN|><|{}_TOKEN|>", "<|END_OF_TURN_TOKEN|>")
_COMMAND_NAMES = {"system": "SYSTEM", "user": "USER", "assistant": "CHATBOT"}
_COMMAND_SYSTEM = _COMMAND[0].format("SYSTEM")
_COMMAND_A: dict[str, Any] = {
    "names": _COMMAND_NAMES,
    "roles": {
        "default": (_COMMAND_SYSTEM + texts.COMMAND_A, _COMMAND[1]),
        "opening": (_COMMAND_SYSTEM + texts.COMMAND_A + PUBLISHED["command-a-developer"], _COMMAND[1]),
        "opening_with_tools": (_COMMAND_SYSTEM, _COMMAND[1]),
        "assistant": (
            "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_RESPONSE|>",
            "<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
        ),
        "calls": ("<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>", _COMMAND[1]),
        "tool": (_COMMAND_SYSTEM, _COMMAND[1]),
    },
    "system": SystemText(default=""),
    "tools": forms.COMMAND_A,
}
_OLMO_3 = ("<|im_start|>{}\n", "<|im_end|>\n")
_OLMO_3_SYSTEM = ("<|im_start|>system\n", "<|im_end|>\n")
_OLMO_3_NAMES = {"tool": "environment"}
_IN_LINES = ("<think>\n", "\n</think>\n\n", "\n</think>\n")
_IN_MARKS = ("<think>", "</think>", "</think>")
_LING = ("<role>{}</role>", "<|role_end|>")
_LING_NAMES = {"system": "SYSTEM", "user": "HUMAN", "assistant": "ASSISTANT", "tool": "OBSERVATION"}
_KIMI_3 = '<|open|>message role="assistant"<|sep|>'
_SOLAR = f"<|begin|>system<|content|>{PUBLISHED['solar-open']}"
_GIGACHAT = ("{}<|role_sep|>\n", "<|message_sep|>\n\n")
_GIGACHAT_HEAD = f"developer system<|role_sep|>\n{PUBLISHED['gigachat']}<|message_sep|>\n\n"
_GIGACHAT_NAMES = {"tool": "function result", "tools": "function descriptions"}
_TOOL_LIST = "<|im_start|>tool_list\n"
_HYPERCLOVA: dict[str, tuple[str, str]] = {
    "opening": (f"{_TOOL_LIST}<|im_end|>\n<|im_start|>system\n", "<|im_end|>\n"),
    "default": (f"{_TOOL_LIST}<|im_end|>\n<|im_start|>system\n", "<|im_end|>\n"),
    "tools": (_TOOL_LIST, "<|im_end|>\n"),
    "assistant": ("<|im_start|>assistant\n", "<|im_end|><|endofturn|>\n"),
    "calls": ("<|im_start|>assistant -> tool/function_call\n", "<|im_end|><|stop|>\n"),
    "tool": ("<|im_start|>tool/function_call\n", "<|im_end|>\n"),
}
_NEMOTRON = ("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>")
_SPARK = "<｜start▁of▁sentence｜><|System|>\nyou are a helpful assistant."
_SPARK_ENDS = "<｜end▁of▁sentence｜>"
_RNJ_1 = f"<|start_header_id|>system<|end_header_id|>\n{PUBLISHED['rnj-1']}"
_HY_3 = ("", "<｜reasoning_mode:opensource｜>reasoning_effort:no_think")
_APERTUS = "<|developer_start|>Deliberation: disabled\n"
_THOUGHT = {"continued": ("<|im_start|>assistant\n<think>\n\n</think>\n\n", "")}


def _ling(thinking: str) -> dict[str, tuple[str, str]]:
    """The turn that opens a conversation and says whether the model thinks."""
    head, said = "<role>SYSTEM</role>", ("<role>SYSTEM</role>", f"\n{thinking}<|role_end|>")
    return {
        "default": (head, f"{thinking}<|role_end|>"),
        "opening": said,
        "opening_with_tools": said,
        "default_with_tools": said,
    }


def _laguna(system: SystemText, more: dict[str, tuple[str, str]] | None = None) -> PromptTemplate:
    roles = {
        "opening": ("<system>\n\n", "\n</system>\n"),
        "calls": ("<assistant>\n</think>\n", "</assistant>\n"),
        "tool": ("", ""),
    }
    return labelled(
        ("<system>\n", "\n</system>\n"),
        ("<user>\n", "\n</user>\n"),
        ("<assistant>\n</think>\n", "\n</assistant>\n"),
        "<assistant>\n</think>",
        roles=roles | (more or {}),
        system=system,
        tools=forms.LAGUNA,
        trim=("assistant",),
        forgets=None,
        thought=("<think>\n", "\n</think>\n", "\n</think>\n"),
    )


# fmt: off
ROWS: list[tuple[str, PromptTemplate, str, str]] = [
    # A chat API behind a prompt field: nobody outside sees its format, so turns are written out.
    ("closed", PLAIN, r"^(openai|anthropic|xai|moonshotai|perplexity)/|^google/gemini|^qwen/.*-(plus|max|turbo)$|^deepseek-ai/deepseek-(r1|v\d(\.\d)?)(-(flash|pro|exp|speciale|terminus))?$|/.*(llama-?guard|prompt-guard|shieldgemma)", ""),
    ("gpt-oss", labelled(("<|start|>developer<|message|># Instructions\n\n", "<|end|>"), ("<|start|>user<|message|>", "<|end|>"), ("<|start|>assistant<|channel|>final<|message|>", "<|end|>"), "<|start|>assistant", initial_prompt_value=PUBLISHED["gpt-oss"], initial_with_tools=texts.GPT_OSS_TOOLS, roles={"calls": ("", ""), "tool": ("", ""), "default_with_tools": ("<|start|>developer<|message|>", "<|end|>")}, system=SystemText(with_tools=""), tools=forms.GPT_OSS), r"gpt-?oss", r"<\|start\|>user<\|message\|>"),
    ("kimi-k2.5", labelled(_KIMI[0], _KIMI[1], (_KIMI_THINKS[0] + "</think>", _KIMI_THINKS[1]), _KIMI_THINKS[0], roles=_KIMI_ROLES, tools=forms.KIMI_2_5, forgets="\n", thought=_IN_MARKS), r"kimi-k2\.[5-9](?!\d)", ""),
    ("kimi-k2-thinking", labelled(_KIMI[0], _KIMI[1], (_KIMI_THINKS[0] + "</think>", _KIMI_THINKS[1]), _KIMI[2][0], roles=_KIMI_ROLES, system=SystemText(default=PUBLISHED["kimi"]), tools=forms.KIMI, forgets="\n", thought=_IN_MARKS), r"kimi-k2-thinking", ""),
    ("moonlight", labelled(*_KIMI, roles=_KIMI_ROLES, system=_HELPFUL, tools=forms.KIMI), r"kimi-vl|moonlight", ""),
    ("kimi-k2", labelled(*_KIMI, roles=_KIMI_ROLES, system=SystemText(default=PUBLISHED["kimi"]), tools=forms.KIMI), r"kimi-(k2|linear)", r"<\|im_middle\|>"),
    ("kimi-k3", tagged('<|open|>message role="{}"<|sep|>', "<|close|>message<|sep|><|end_of_msg|>", roles={"assistant": (_KIMI_3 + "<|open|>think<|sep|><|close|>think<|sep|><|open|>response<|sep|>", "<|close|>response<|sep|><|close|>message<|sep|><|end_of_msg|>")}, final=_KIMI_3 + "<|open|>think<|sep|>", initial_prompt_value=PUBLISHED["kimi-k3"]), r"kimi-k3", r"<\|open\|>message"),
    ("minimax-m3", tagged("]~b]{}\n", "[e~[\n", names={"system": "developer"}, roles={"assistant": ("]~b]ai\n</mm:think>", "[e~[\n"), "tool": ("]~b]tool", "[e~[\n")}, final="]~b]ai\n", initial_prompt_value=f"]~b]system\n{PUBLISHED['minimax-m3']}[e~[\n", system=SystemText(default="You are a helpful assistant."), tools=forms.MINIMAX_M3, forgets=None, thought=("<mm:think>", "</mm:think>", "</mm:think>")), r"minimax-m3", r"\]~b\]developer"),
    ("minimax-m1", minimax_m1(SystemText(default=PUBLISHED["minimax-m1"])), r"minimax-m1", ""),
    ("minimax", minimax_m1(SystemText()), r"minimax-(text|vl)", r"<beginning_of_sentence>"),
    ("minimax-m2.7", minimax_m2(PUBLISHED["minimax"].format("2.7")), r"minimax-m2\.7", ""),
    ("minimax-m2.5", minimax_m2(PUBLISHED["minimax"].format("2.5")), r"minimax-m2\.5", ""),
    ("minimax-m2.1", minimax_m2(PUBLISHED["minimax"].format("2.1")), r"minimax-m2\.1", ""),
    ("minimax-m2", minimax_m2("You are a helpful assistant."), r"minimax-m2", r"\]~b\]user"),
    # DeepSeek
    ("deepseek-0324", deepseek(answered=True), r"deepseek-(r1-0528|v3-0324|prover-v2)|tng.*chimera", ""),
    ("deepseek-v4", deepseek("<｜Assistant｜></think>", tools=forms.DEEPSEEK_4, roles={}, alternating=True), r"deepseek-?v4", ""),
    ("deepseek-v3.2", deepseek("<｜Assistant｜></think>", tools=forms.DEEPSEEK_3_2, roles={"tool": ("", ""), "after_tool": ("\n\n</think>", "\n\n</think>")}), r"deepseek-?v3\.2(?!-exp)", ""),
    ("deepseek-v3.1", deepseek("<｜Assistant｜></think>", tools=forms.DEEPSEEK_3_1), r"deepseek-v3\.[1-9]|deepseek-math-v2", r"<｜Assistant｜></think>"),
    ("deepseek-r1", deepseek("<｜Assistant｜><think>\n"), r"deepseek-?r1|r1-distill|skywork-or1.*preview|qwenlong-l1(?!\.5)|r1-1776|mai-ds-r1|deepcoder|deepscaler|deephermes-r1|light-r1|\bzr1-|nemotron-research-reasoning", r"<｜User｜>.*<think>"),
    ("deepseek", deepseek(), r"deepseek-?v(3|2\.5)|deepseek-coder-v2.*0724|skywork-or1|cogito.*(deepseek|671b)", r"<｜User｜>"),
    ("deepseek-v2-0628", labelled(("", "\n\n"), ("<｜User｜>", ""), ("<｜Assistant｜>", EOS)), r"deepseek-v2-chat-0628", ""),
    ("deepseek-llm", labelled(("", "\n\n"), ("User: ", "\n\n"), ("Assistant: ", EOS)), r"deepseek-(coder-)?v2|deepseek.*(chat|math)", r"<｜end▁of▁sentence｜>"),
    ("deepseek-coder", labelled(("", ""), ("### Instruction:\n", "\n"), ("### Response:\n", "\n<|EOT|>\n"), system=SystemText(default=PUBLISHED["deepseek-coder"], unless_anywhere=True)), r"deepseek-?coder(?!.*base)|opencodeinterpreter-ds|rtlcoder", r"### Instruction:\n.*[^\n]\n### Response:"),
    # Fine-tunes and formats that others share
    ("openchat-3.6", tagged("<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>", names={"system": "System", "user": "GPT4 Correct User", "assistant": "GPT4 Correct Assistant"}, trim=ALL), r"openchat-?3\.6", r"GPT4 Correct User<\|end_header_id"),
    ("openbuddy-2", tagged("<|role|>{}<|says|>", "<|end|>\n"), r"openbuddy-(llama-?3|nemotron|qwen|yi1|gemma|phi)", r"<\|says\|>"),
    ("openbuddy", labelled(("", "\n\n"), ("User: ", "\n"), ("Assistant: ", "\n")), r"openbuddy-(?!llama-?3|nemotron|qwen|yi1|gemma|phi)", ""),
    ("openchat", tagged("GPT4 Correct {}: ", "<|end_of_turn|>", names={"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}), r"openchat|starling|fusechat-7b", r"<\|end_of_turn\|>"),
    ("hermes", chatml(tools=forms.HERMES, roles={"tool": ("<|im_start|>tool\n", "\n<|im_end|>")}), r"(?<!deep)hermes-?([235-9](?!\d*b)|4(?!\d*b|-(70|405)b))|openhermes|hermes.*(mistral|mixtral|solar|yi)", ""),
    ("solar-open", tagged("<|begin|>{}<|content|>", "<|end|>", roles={"opening": (_SOLAR + "\n\n## System Prompt\n\n", "<|end|>"), "default": (_SOLAR, "<|end|>"), "default_with_tools": (_SOLAR + "\n\n", "<|end|>"), "calls": ("<|begin|>assistant<|tool_calls|>", "<|calls|>"), "tool": ("<|begin|>tool<|tool_response|>", "<|end|>")}, final="<|begin|>assistant", system=SystemText("front", default="", unless_anywhere=True), tools=forms.SOLAR_OPEN), r"solar-open(?!-?2)", r"<\|begin\|>user<\|content\|>"),
    ("solar", labelled(("### System:\n", "\n\n"), ("### User:\n", "\n\n"), ("### Assistant:\n", "")), r"solar-(10|0).*instruct|solar-uncensored|sauerkrautlm-solar-instruct|lmcocktail-10", ""),
    ("neural-chat", labelled(("### System:\n", "\n"), ("### User:\n", " \n"), ("### Assistant:\n", "</s>\n")), r"neural-?chat", r""),
    ("orca-mini", labelled(("### System:\n", "\n\n"), ("### User:\n", "\n\n"), ("### Response:\n", "\n\n")), r"orca-?mini(?!-v[3-9])", r"### User:.*### Response:"),
    ("stable-beluga", labelled(("### System:\n", "\n\n"), ("### User:\n", "\n\n"), ("### Assistant:\n", "\n\n")), r"beluga|orca-?mini|upstage.*instruct|llama-2-70b-instruct", r"### User:"),
    ("deci", labelled(("### System:\n", "\n"), ("### User:\n", "\n"), ("### Assistant:\n", "\n")), r"decilm.*instruct", ""),
    ("alpaca", labelled(("", "\n\n"), ("### Instruction:\n", "\n\n"), ("### Response:\n", "</s>\n\n")), r"alpaca(?!-2)|mpt.*instruct|wizardcoder|wizardmath|platypus|metamath|fimbulvetr|noromaid|nous-hermes|mythomax|mytholite|mythalion|toppy|psyfighter|tiefighter|codeup|chronos|remm-|mythomist|synatra-mixtral", r"### Instruction"),
    ("dolly", labelled(("", ""), ("### Instruction:\n", "\n\n"), ("### Response:\n", "### End\n\n"), system=SystemText(default=PUBLISHED["dolly"])), r"dolly", r"### Instruction:.*### End"),
    ("starcoder-2", labelled(("", "\n\n"), ("### Instruction\n", "\n\n"), ("### Response\n", "<|endoftext|>\n\n"), system=SystemText(default=PUBLISHED["magicoder"])), r"starcoder-?2.*instruct", r"### Instruction\n"),
    ("magicoder", labelled(("", "\n\n"), ("@@ Instruction\n", "\n\n"), ("@@ Response\n", f"{EOS}\n\n"), system=SystemText(default=PUBLISHED["magicoder"])), r"magicoder", r"@@ Instruction"),
    ("phind", labelled(("### System Prompt\n", "\n\n"), ("### User Message\n", "\n\n"), ("### Assistant\n", "\n\n")), r"phind", r"### User Message"),
    ("koala", labelled(("", " "), ("USER: ", " "), ("GPT: ", "</s>"), system=SystemText(default="BEGINNING OF CONVERSATION:")), r"koala", r"USER:.*GPT:"),
    ("guanaco", labelled(("", "\n"), ("### Human: ", "\n"), ("### Assistant: ", "\n")), r"guanaco|xgen.*inst|stable-vicuna|vicuna-\d+b-(v0|delta-v0)", r"### Human:"),
    ("oasst", labelled(("", ""), ("<|prompter|>", "<|endoftext|>"), ("<|assistant|>", "<|endoftext|>")), r"oasst.*(pythia|falcon)|(pythia|falcon).*oasst", r"<\|prompter\|>.*<\|endoftext\|>"),
    ("oasst-llama", labelled(("", ""), ("<|prompter|>", "</s>"), ("<|assistant|>", "</s>")), r"oasst|open-?assistant|mistral-?lite", r"<\|prompter\|>"),
    ("redpajama", labelled(("", "\n"), ("<human>: ", "\n"), ("<bot>: ", "\n")), r"redpajama.*(chat|instruct)", r"<human>:.*<bot>:"),
    ("danube", labelled(("<|system|>", "</s>"), ("<|prompt|>", "</s>"), ("<|answer|>", "</s>")), r"danube.*chat|h2ogpt(?!.*llama)", r"<\|prompt\|>"),
    ("airoboros", labelled(("", "\n"), ("USER: ", "\n"), ("ASSISTANT: ", "</s>")), r"airoboros(?!.*(-3\.\d|gpt4-1\.))", r"USER: [^\n]*\nASSISTANT:"),
    ("synthia", labelled(("SYSTEM: ", "\n"), ("USER: ", "\n"), ("ASSISTANT: ", "\n")), r"synthia|\btess\b|dolphin-llama-?2", r"SYSTEM:.*USER:"),
    ("tulu", tagged("<|{}|>\n", "\n", roles={"assistant": ("<|assistant|>\n", "</s>\n")}), r"tulu-?[12v]|gritlm|llama-pro.*instruct", r""),
    ("tulu-3", tagged("<|{}|>\n", "\n", roles={"assistant": ("<|assistant|>\n", "<|end_of_text|>\n")}), r"tulu|llama-pro.*instruct", ""),
    ("olmo", tagged("<|{}|>\n", "\n", roles={"assistant": ("<|assistant|>\n", "<|endoftext|>\n")}), r"olmo(?!-?3).*(instruct|sft|dpo|chat)|falcon-?3.*instruct", ""),
    ("stablelm-zephyr", tagged("<|{}|>\n", "<|endoftext|>\n"), r"stablelm.*zephyr|stable-?lm.*zephyr", r"<\|user\|>.*<\|endoftext\|>"),
    ("stablelm", labelled(("<|SYSTEM|>", ""), ("<|USER|>", ""), ("<|ASSISTANT|>", "")), r"stablelm-tuned", r"<\|USER\|>"),
    ("starchat", tagged("<|{}|>\n", "<|end|>\n", system=_WHERE), r"starchat(?!-?2)", ""),
    # Microsoft
    ("phi-4-reasoning", tagged("<|im_start|>{}<|im_sep|>", "<|im_end|>", system=SystemText(default=PUBLISHED["phi-4-reasoning"])), r"phi-?4-reasoning", ""),
    ("phi-4", tagged("<|im_start|>{}<|im_sep|>", "<|im_end|>"), r"phi-?4(?!-m)", r"<\|im_sep\|>"),
    ("phi-4-mini-reasoning", tagged("<|{}|>", "<|end|>", roles={"opening": (f"<|system|>{PUBLISHED['phi-4-mini']} ", "<|end|>"), "default": ("<|system|>", "<|end|>")}, system=SystemText(default=PUBLISHED["phi-4-mini"])), r"phi-?4-mini-reasoning", ""),
    ("phi-4-mini", tagged("<|{}|>", "<|end|>", roles={"tool": ("<|tool_response|>", "<|end|>")}, system=SystemText(with_tools="You are a helpful assistant with some tools."), tools=forms.PHI_4_MINI), r"phi-?4-m", ""),
    ("phi-3", tagged("<|{}|>\n", "<|end|>\n"), r"phi-?3|phi-(mini|tiny)-moe|nuextract(-v1\.5)?$|llava-phi", r"<\|user\|>.*<\|end\|>"),
    ("phi-2", labelled(("", "\n"), ("Instruct: ", "\n"), ("Output: ", "\n")), r"^(?!.*dolphin).*phi-?2$", r"Instruct:.*Output:"),
    # Qwen and others that write ChatML
    ("qwq", thinking_chatml(), r"qwq(?!.*preview)|intellect-2", r"<\|im_start\|>assistant\n<think>"),
    ("nemotron-h", tagged("<SPECIAL_11>{}\n", "\n", names={"user": "User", "assistant": "Assistant"}, roles={"opening": ("<SPECIAL_10>System\n", "\n"), "system": ("<SPECIAL_11>System\n", "\n")}, system=SystemText(default=""), trim=ALL), r"nemotron-h-.*(reasoning|instruct)", ""),
    ("nemotron-nano-2", tagged("<SPECIAL_11>{}\n", "\n", names={"user": "User"}, roles={"opening": ("<SPECIAL_10>System\n", "\n\n"), "opening_with_tools": ("<SPECIAL_10>System\n", "\n\n"), "system": ("<SPECIAL_11>System\n", "\n"), "assistant": ("<SPECIAL_11>Assistant\n", "\n<SPECIAL_12>\n"), "tool": ("<SPECIAL_11>User\n", ""), "continued": ("<SPECIAL_11>Assistant\n<think></think>", "")}, final="<SPECIAL_11>Assistant\n<think>\n", system=SystemText(default=""), tools=forms.NEMOTRON_NANO_2, trim=ALL, forgets="\n"), r"nemotron-nano-(9|12)b-v2", r"<SPECIAL_11>User"),
    ("nemotron-3-ultra", thinking_chatml(default="", roles={"assistant": ("<|im_start|>assistant\n<think></think>", "<|im_end|>\n"), "tool": ("<|im_start|>user\n", "<|im_end|>\n")}, tools=forms.NEMOTRON_3, forgets="", thought=("<think>\n", "</think>\n", "</think>")), r"nemotron-3(\.\d)?-ultra", ""),
    ("nemotron-3", thinking_chatml(default="", roles={"assistant": ("<|im_start|>assistant\n<think></think>", "<|im_end|>\n"), "tool": ("<|im_start|>user\n", "<|im_end|>\n")}, tools=forms.NEMOTRON_3, trim=("assistant",), forgets="\n", thought=("<think>\n", "\n</think>\n", "\n</think>")), r"nemotron-3(\.\d)?-[a-z]", ""),
    ("step-3.5", thinking_chatml(roles={"tool": ("<|im_start|>tool_response\n", "<|im_end|>\n")}, tools=forms.STEP_3_5, thought=("<think>\n", "\n</think>\n", "\n</think>\n"), thinks_always=True), r"step-?3\.[57]", ""),
    ("mimo-v2.5", tagged("<|im_start|>{}\n", "<|im_end|>", roles={"assistant": ("<|im_start|>assistant\n<think></think>", "<|im_end|>"), "tool": ("<|im_start|>tool\n", "<|im_end|>")}, final="<|im_start|>assistant\n", system=SystemText(default=PUBLISHED["mimo-2"]), tools=forms.MIMO_2, forgets=None, thought=_IN_MARKS), r"mimo-v2\.5", ""),
    ("mimo-v2", tagged("<|im_start|>{}\n", "<|im_end|>", roles={"assistant": ("<|im_start|>assistant\n<think></think>", "<|im_end|>"), "tool": ("<|im_start|>tool\n", "<|im_end|>")}, system=SystemText(default=PUBLISHED["mimo-2"]), tools=forms.MIMO_2, forgets="", thought=_IN_MARKS), r"mimo-v2", ""),
    ("mimo", chatml(PUBLISHED["mimo"]), r"mimo-(7b(?!-base)|vl)", ""),
    ("qwen-3.8", thinking_chatml(default=PUBLISHED["qwen-3.8"], with_tools="", roles={"opening": (f"<|im_start|>system\n{PUBLISHED['qwen-3.8']}\n\n", "<|im_end|>\n"), "default": ("<|im_start|>system\n", "<|im_end|>\n"), "default_with_tools": (f"<|im_start|>system\n{PUBLISHED['qwen-3.8']}\n\n", "<|im_end|>\n"), "assistant": ("<|im_start|>assistant\n<think>\n\n</think>\n\n", "<|im_end|>\n"), "tool": ("<|im_start|>user\n", "<|im_end|>\n")}, tools=forms.QWEN_3_5, trim=ALL, forgets=None, thought=_IN_LINES), r"qwen-?3\.[89]", ""),
    ("qwen-3.5", thinking_chatml(roles={"tool": ("<|im_start|>user\n", "<|im_end|>\n")}, tools=forms.QWEN_3_5, trim=ALL, thought=_IN_LINES, thinks_always=True), r"qwen-?3\.[5-9]|nex-n2|ornith", ""),
    ("qwen-3-thinking", thinking_chatml(roles=_THOUGHT, thought=_IN_LINES), r"qwen-?3(?!\d*b)(?!.*omni).*thinking|qwenlong-l1\.5", ""),
    ("qwen-3-coder", chatml(tools=forms.QWEN_CODER, with_tools=PUBLISHED["qwen-3-coder"], roles={"tool": ("<|im_start|>user\n", "<|im_end|>\n")}), r"qwen-?3-coder", ""),
    ("qwen-3-next", chatml(), r"qwen-?3-(next|vl)|qwen-?3.*instruct-2507|marco-(nano|mini).*instruct", ""),
    ("qwen-3", chatml(roles=_THOUGHT, forgets="\n", thought=_IN_LINES), r"qwen-?3(?!\d*b)|baichuan-m[23]|jan-v1|ii-medical|deepresearch-30b|agentcpm-explore|deepswe|uigen-x|goedel-prover-v2|kat-dev|qwen-sea-lion|t-pro-it-2|jan-nano|\blucy\b|polaris-\d+b", ""),
    ("qwen-2.5-math", chatml(PUBLISHED["qwen-2.5-math"]), r"qwen-?2\.5-math", ""),
    ("qwen-2.5", chatml(PUBLISHED["qwen-2.5"]), r"^(?!.*(dolphin|magnum)).*qwen-?2\.5(?!\d*b|.*-?(vl|omni|1m))|internvl-?3|ovis-?2|fin-r1|kimi-dev|dianjin|huatuogpt-o1-(7|72)b|huatuo.*qwen|nextcoder|sky-t1|bespoke-stratos|xlam-2-(1|3|32)b|qwq.*preview|\bs1(\.1)?-\d+b|\blimo\b|supernova-medius|virtuoso-(large|medium|small)|arcee-maestro|arch-function|websailor|fara-7b|openhands-lm|swe-agent-lm|arch-router|olympiccoder", ""),
    ("qwen-1.5", chatml("You are a helpful assistant"), r"(?<!code)qwen-?1\.5.*chat", ""),
    ("qvq", chatml(PUBLISHED["qvq"]), r"qvq", ""),
    ("iquest-coder", chatml(PUBLISHED["iquest-coder"]), r"iquest-coder.*instruct", ""),
    ("opencoder", chatml(PUBLISHED["opencoder"]), r"opencoder.*instruct", ""),
    ("sailor-2", chatml(PUBLISHED["sailor-2"]), r"sailor2?.*chat", ""),
    ("qwen-2", chatml("You are a helpful assistant."), r"qwen-?2.*(instruct|chat|vl|omni|1m)|qwen.*-chat|qwen-vl|minicpm-[vo]-?(2[.-]?6|4|2[6])|mineru|codeqwen.*chat|seallms?-v3|vibethinker|xiyansql|hammer2|smallthinker-3b|ui-tars|cosmos-reason1|stable-?code(?!.*alpha).*instruct", ""),
    ("dbrx", chatml(PUBLISHED["dbrx"]), r"dbrx-instruct", ""),
    ("mpt-chat", chatml(PUBLISHED["mpt"], roles={"opening": ("<|im_start|>system\n", "\n")}), r"mpt.*chat", ""),
    ("smollm", chatml("You are a helpful AI assistant named SmolLM, trained by Hugging Face"), r"smollm-?2.*instruct", ""),
    ("yi-1.5", labelled(("", ""), ("<|im_start|>user\n", "<|im_end|>\n"), ("<|im_start|>assistant\n", "<|im_end|>\n"), answered=True), r"yi-1\.5.*chat", ""),
    ("yi-coder", tagged("<|im_start|>{}\n", "<|im_end|>\n", answered=True), r"yi-coder.*chat", ""),
    ("smollm-3", chatml(PUBLISHED["smollm-3"], roles={"opening": (PUBLISHED["smollm-3-head"], "\n\n"), "opening_with_tools": (PUBLISHED["smollm-3-head"], "\n\n<|im_end|>\n"), "tool": ("<|im_start|>user\n", "<|im_end|>\n")}, tools=forms.SMOLLM_3), r"smollm-?3(?!\d)", r"## Custom Instructions"),
    ("olmo-3-think", tagged(*_OLMO_3, names=_OLMO_3_NAMES, roles={"system": ("<|im_start|>system\n", f" {PUBLISHED['olmo-3-no-functions']}<|im_end|>\n"), "opening": ("<|im_start|>system\n", f" {PUBLISHED['olmo-3-no-functions']}<|im_end|>\n"), "opening_with_tools": _OLMO_3_SYSTEM, "default_with_tools": _OLMO_3_SYSTEM, "default": _OLMO_3_SYSTEM}, system=SystemText(default="You are a helpful AI assistant.", unless_anywhere=True), tools=forms.OLMO_3_THINK, final="<|im_start|>assistant\n<think>"), r"olmo-?3.*think", ""),
    ("olmo-3.1", tagged(*_OLMO_3, names=_OLMO_3_NAMES, system=SystemText(default=f"{PUBLISHED['olmo-3.1']} {PUBLISHED['olmo-3-no-functions']}", with_tools=f"{PUBLISHED['olmo-3.1']} {PUBLISHED['olmo-3-functions']}", unless_anywhere=True), tools=forms.OLMO_3), r"olmo-?3\.[1-9].*(instruct|sft|dpo)", ""),
    ("olmo-3", tagged(*_OLMO_3, names=_OLMO_3_NAMES, system=SystemText(default=f"{PUBLISHED['olmo-3']} {PUBLISHED['olmo-3-no-functions']}", with_tools=f"{PUBLISHED['olmo-3']} {PUBLISHED['olmo-3-functions']}", unless_anywhere=True), tools=forms.OLMO_3), r"olmo-?3.*(instruct|sft|dpo)", ""),
    ("hyperclova-think", tagged("<|im_start|>{}\n", "<|im_end|>\n", roles=_HYPERCLOVA, final="<|im_start|>assistant", system=SystemText(default=""), tools=forms.HYPERCLOVA), r"hyperclova.*think", ""),
    ("hyperclova", tagged("<|im_start|>{}\n", "<|im_end|>\n", roles=_HYPERCLOVA, system=SystemText(default=""), tools=forms.HYPERCLOVA), r"hyperclova", r"<\|im_start\|>tool_list"),
    ("minicpm-5", chatml(tools=forms.MINICPM_5, forgets="\n", thought=_IN_LINES), r"minicpm-?5", ""),
    ("lfm-2", chatml(tools=forms.LFM_2, roles={"tool": ("<|im_start|>tool\n", "<|im_end|>\n")}, forgets="\n"), r"\blfm-?2", ""),
    ("chatml", chatml(), r"qwq|\byi-.*chat|dolphin|orca|eurollm.*instruct|occiglot.*instruct|leo-hessianai.*chat|magnum|internlm-?[23](?!\d).*(chat|instruct)|internvl|starchat-?2|falcon-mamba.*instruct|smollm.*instruct|chatml|zephyr.*gemma|solar-pro|arctic.*instruct|stablelm-2.*chat|phixtral|llava.*(34b|72b|110b|yi|qwen|onevision)|intern-s1|minicpm-2b-128k|minicpm-?[34]|trinity-(nano|mini|large)|afm-4\.5b|croissantllm.*chat|calm3|\btri-\d+b|mag-mell|keye-vl|qwen-agentworld|k2-think|(?<!3.1-)nemotron-(3|nano|cascade|orchestrator)|(acereason|open\w+)-nemotron|acemath|discolm|athene-v2|falcon-?h1.*instruct|\w-qwen-[\d.]+b|neuralbeagle|samantha|monadgpt|smaug-72b|wayfarer-12b|mn-(12b-)?(celeste|starcannon)|xwin-coder|openthinker|marco-o1|seallm|bielik.*instruct|cogagent|mirothinker|arcee-nova|kat-v1|fietje.*chat|vinallama.*chat|towerinstruct|una-cybertron", r"<\|im_start\|>"),
    ("zephyr", tagged("<|{}|>\n", "</s>\n"), r"zephyr|notus|meltemi.*instruct|tinyllama.*chat|geitje.*ultra", r"<\|user\|>.*</s>"),
    # Zhipu
    ("chatglm-1", labelled(("", "\n"), ("[Round {round}]\n问：", "\n"), ("答：", "\n"), first_round=0), r"chatglm(-?1)?-?6b", r"\[Round 0\]"),
    ("chatglm-2", labelled(("", "\n\n"), ("[Round {round}]\n\n问：", "\n\n"), ("答：", "\n\n"), first_round=1), r"chatglm-?2", r"\[Round 1\]"),
    ("chatglm-3", tagged("<|{}|>\n ", "", names={"tool": "observation"}, final="<|assistant|>"), r"chatglm-?3", ""),
    ("glm-5.2", tagged("<|{}|>", "", names={"tool": "observation"}, tools=forms.GLM_5_2, roles={"tools": ("<|system|>\n", ""), "assistant": ("<|assistant|><think></think>", "")}, final="<|assistant|><think>", initial_prompt_value="<|system|>Reasoning Effort: Max", trim=("assistant",), forgets="\n", thought=_IN_MARKS), r"glm-5\.[2-9]", ""),
    ("glm-5.1", tagged("<|{}|>", "", names={"tool": "observation"}, tools=forms.GLM_5_2, roles={"tools": ("<|system|>\n", ""), "assistant": ("<|assistant|></think>", "")}, final="<|assistant|><think>", trim=("assistant",), forgets="\n", thought=_IN_MARKS, thinks_always=True), r"glm-5\.1", ""),
    ("glm-5", tagged("<|{}|>", "", names={"tool": "observation"}, tools=forms.GLM_5, roles={"tools": ("<|system|>\n", ""), "assistant": ("<|assistant|></think>", "")}, final="<|assistant|><think>", trim=("assistant",), forgets="\n", thought=_IN_MARKS), r"glm-5|glm-4\.7", ""),
    ("glm-4.5v", tagged("<|{}|>\n", "", names={"tools": "system", "tool": "observation"}, tools=forms.GLM, roles={"assistant": ("<|assistant|>\n<think></think>\n", "")}, final="<|assistant|>\n", trim=("assistant",), forgets="\n", thought=("<think>", "</think>\n", "</think>")), r"glm-4\.[5-9]v", ""),
    ("glm-4.5", tagged("<|{}|>\n", "", names={"tools": "system", "tool": "observation"}, tools=forms.GLM, roles={"assistant": ("<|assistant|>\n<think></think>\n", "")}, final="<|assistant|>", trim=("assistant",), forgets="\n", thought=("<think>", "</think>\n", "</think>")), r"glm-4\.[5-9]", ""),
    ("glm-z1", tagged("<|{}|>\n", "", names={"tool": "observation"}, final="<|assistant|>\n<think>\n", forgets="\n"), r"glm-z1(?!-rumination)", ""),
    ("glm-4", tagged("<|{}|>\n", "", names={"tool": "observation"}, final="<|assistant|>"), r"chatglm-?4|glm-?4(?!\.[5-9])|glm-z1-rumination|autoglm", ""),
    ("glm-edge", tagged("<|{}|>\n", "", names={"tool": "observation"}), r"glm-edge", ""),
    ("codegeex-4", tagged("<|{}|>\n", "", names={"tool": "observation"}, system=SystemText("front", default=PUBLISHED["codegeex"])), r"codegeex-?4", ""),
    ("chatglm-lines", tagged("<|{}|>\n", "\n", names={"tool": "observation"}), "", r"<\|user\|>\n.*<\|assistant\|>"),
    # IBM, Cohere, LG, Tencent, Baichuan, Shanghai AI Laboratory, OpenBMB, AI21, Baidu, ByteDance
    ("granite-vision", tagged("<|{}|>\n", "\n", roles={"assistant": ("<|assistant|>\n", "<|end_of_text|>")}, system=SystemText(default=PUBLISHED["vicuna"], unless_anywhere=True)), r"granite-vision|granite-?3\.\d-vision", ""),
    ("granite-code", labelled(("System:\n", "\n\n"), ("Question:\n", "\n\n"), ("Answer:\n", "\n\n")), r"granite.*code.*instruct", r"Question:\n.*Answer:\n"),
    ("granite-3.3", tagged(*_GRANITE, names={"tool": "tool", "tools": "available_tools"}, system=SystemText(default=texts.GRANITE_3_3, with_tools=texts.GRANITE_3_3_TOOLS), tools=forms.GRANITE_3_1), r"granite-3\.[3-9].*instruct", ""),
    ("granite-3.1", tagged(*_GRANITE, names={"tool": "tool", "tools": "tools"}, system=SystemText(default=PUBLISHED["granite-3.1"], with_tools=texts.GRANITE_3_1_TOOLS), tools=forms.GRANITE_3_1), r"granite-3\.[12].*instruct", ""),
    ("granite-4-nano", tagged(*_GRANITE, names={"tool": "user"}, system=SystemText(default=PUBLISHED["granite-4-nano"], with_tools=""), tools=forms.GRANITE_4), r"granite-?4.*(350m|-1b)", ""),
    ("granite-4", tagged(*_GRANITE, names={"tool": "user"}, tools=forms.GRANITE_4), r"granite-?4.*(instruct|small|tiny|micro|3b)|granite-?4\.[1-9]-\d+b", ""),
    ("granite", tagged(*_GRANITE, names=_GRANITE_NAMES, tools=forms.GRANITE), r"granite-?3.*(instruct|small|tiny|micro|350m|1b)", r"<\|start_of_role\|>"),
    ("command-r7b", tagged(*_COMMAND, **_COMMAND_A, final="<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>"), r"command-?r7b", ""),
    ("command-a", tagged(*_COMMAND, **_COMMAND_A, final="<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"), r"command-?a", r"<\|START_RESPONSE\|>"),
    ("command-r", tagged(*_COMMAND, names=_COMMAND_NAMES, roles={"opening": (_COMMAND_SYSTEM, _COMMAND[1]), "opening_with_tools": (_COMMAND_SYSTEM + PUBLISHED["command-r"], _COMMAND[1]), "calls": ("<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>\n", "\n"), "tool": (_COMMAND_SYSTEM + "<results>\n", "</results><|END_OF_TURN_TOKEN|>")}, trim=("user", "assistant"), tools=forms.COMMAND_R), r"command-?r|aya-?(\d+b|23|expanse)|c4ai-command", r"<\|START_OF_TURN_TOKEN\|>"),
    ("spark-2.5", tagged("<｜start▁of▁sentence｜><|{}|>", _SPARK_ENDS, names={"system": "System", "user": "User", "assistant": "Bot", "tool": "Tool"}, roles={"opening": (f"{_SPARK}\n\n", _SPARK_ENDS), "default": (_SPARK, _SPARK_ENDS), "opening_with_tools": (_SPARK, _SPARK_ENDS), "default_with_tools": (_SPARK, _SPARK_ENDS), "system": ("<｜start▁of▁sentence｜><|System|>\n", _SPARK_ENDS), "assistant": ("<｜start▁of▁sentence｜><|Bot|></think>", _SPARK_ENDS)}, final="<｜start▁of▁sentence｜><|Bot|><think>", system=SystemText(default=""), tools=forms.SPARK_2_5, forgets=None, thought=_IN_MARKS), r"\bspark-?2\.5", r"<\|Bot\|>"),
    ("gigachat-3", tagged(*_GIGACHAT, names=_GIGACHAT_NAMES, roles={"calls": ("assistant<|role_sep|>\n<|message_sep|>\n\nfunction call<|role_sep|>\n", _GIGACHAT[1])}, initial_prompt_value=_GIGACHAT_HEAD, tools=forms.GIGACHAT_3), r"gigachat-?3(?!\.[1-9])", ""),
    ("gigachat", tagged(*_GIGACHAT, names=_GIGACHAT_NAMES, initial_prompt_value=_GIGACHAT_HEAD, tools=forms.GIGACHAT), r"gigachat-?3", r"<\|role_sep\|>"),
    ("laguna-s", labelled(("<system>", "</system>\n"), ("<user>", "</user>\n"), ("<assistant><think></think>", "</assistant>\n"), "<assistant><think>", roles={"tool": ("", "")}, system=SystemText(default=PUBLISHED["laguna"]), tools=forms.LAGUNA_S, forgets=None, thought=_IN_MARKS), r"laguna-s", ""),
    ("laguna-xs-2.1", _laguna(SystemText(with_tools=""), {"default_with_tools": ("<system>\n\n\n", "\n</system>\n")}), r"laguna-xs-?2\.1", ""),
    ("laguna", _laguna(SystemText(default=PUBLISHED["laguna"])), r"laguna", r"<user>\n.*<assistant>\n"),
    ("reka", labelled(("system: ", "\n\n<sep>"), ("human: ", "<sep>"), ("assistant: ", "\n\n<sep>"), "assistant:", roles={"tool": ("human: ", "<sep>")}, tools=forms.REKA, forgets="\n"), r"\breka-(edge|flash|core)", r"human: .*<sep>"),
    ("idefics", labelled(("System: ", "<end_of_utterance>\n"), ("User: ", "<end_of_utterance>\n"), ("Assistant: ", "<end_of_utterance>\n")), r"idefics|smolvlm", r"<end_of_utterance>"),
    ("dots-1", labelled(("<|system|>", "<|endofsystem|>"), ("<|userprompt|>", "<|endofuserprompt|>"), ("<|response|>", "<|endofresponse|>"), system=SystemText(default="You are a helpful assistant.")), r"dots\.?(llm)?1.*inst", r"<\|userprompt\|>"),
    ("exaone-deep", labelled(("[|system|]", "[|endofturn|]\n"), ("[|user|]", "\n"), ("[|assistant|]", "[|endofturn|]\n"), "[|assistant|]<thought>\n", system=_WHERE), r"exaone-deep", ""),
    ("exaone-4", tagged("[|{}|]\n", "[|endofturn|]\n", names={"tool": "tool"}, tools=forms.EXAONE_4, roles={"assistant": ("[|assistant|]\n<think>\n\n</think>\n\n", "[|endofturn|]\n")}), r"exaone-?4", ""),
    ("exaone", labelled(("[|system|]", "[|endofturn|]\n"), ("[|user|]", "\n"), ("[|assistant|]", "[|endofturn|]\n"), system=_WHERE), r"(?<!k-)exaone", r"\[\|user\|\]"),
    ("hy-3", labelled(("", ""), ("<｜hy_User:opensource｜>", ""), ("<｜hy_Assistant:opensource｜><think:opensource></think:opensource>", "<｜hy_eos:opensource｜>"), roles={"tool": ("", ""), "opening": _HY_3, "opening_with_tools": _HY_3, "default": _HY_3, "default_with_tools": _HY_3}, system=SystemText("front", default="", unless_anywhere=True), tools=forms.HY_3, forgets="\n"), r"\bhy-?3(?!.*preview)", r"<｜hy_User:opensource｜>"),
    ("hunyuan-dense", labelled(("", "<｜hy_place▁holder▁no▁3｜>"), ("<｜hy_User｜>", ""), ("<｜hy_Assistant｜>", "<｜hy_place▁holder▁no▁2｜>")), r"hunyuan-(?!7b)[\d.]+b|hy-mt-?2|hy-mt(?!.*7b)", r"<｜hy_User｜>"),
    ("hunyuan", PromptTemplate({"user": ("<|startoftext|>", "<|extra_0|>"), "assistant": ("", "<|eos|>")}, system=SystemText("first_user", ("", "<|extra_4|>"))), r"hunyuan|hy-mt", r"<\|extra_0\|>"),
    ("baichuan-2", labelled(("", ""), ("<reserved_106>", ""), ("<reserved_107>", "")), r"baichuan-?2.*chat", r"<reserved_106>"),
    ("baichuan", labelled(("", ""), ("<reserved_102>", ""), ("<reserved_103>", "")), r"baichuan.*chat", r"<reserved_102>"),
    ("internlm", labelled(("", "<s>"), ("<|User|>:", "<eoh>\n"), ("<|Bot|>:", "<eoa>\n<s>")), r"internlm.*chat", r"<\|User\|>:"),
    ("minicpm", labelled(("", ""), ("<用户>", ""), ("<AI>", ""), answered=True, trim=ALL), r"minicpm-?[12]", r"<用户>"),
    ("jamba", labelled(("<|bom|><|system|> ", "<|eom|>"), ("<|bom|><|user|> ", "<|eom|>"), ("<|bom|><|assistant|> ", "<|eom|>"), roles={"tool": ("<|bom|><|tool|> ", "<|eom|>")}, system=_WHERE, tools=forms.JAMBA), r"jamba", r"<\|bom\|>"),
    ("ernie-4.5-thinking", tagged("<|im_start|>{}\n", "<|im_end|>\n\n", roles={"opening": ("<|im_start|>system\n<system_setting>\n", f"\n</system_setting>\n\n{_ERNIE_THINKS}<|im_end|>\n\n"), "default": ("<|im_start|>system\n", f"{_ERNIE_THINKS}<|im_end|>\n\n"), "assistant": ("<|im_start|>assistant\n<response>\n", "\n</response>\n<|im_end|>\n\n")}, final="<|im_start|>assistant\n<think>\n", system=SystemText(default=""), forgets="\n"), r"ernie-?4\.5(?!-vl).*thinking", r"<global_setting>"),
    ("ernie-4.5", labelled(("", "\n"), ("User: ", "\n"), ("Assistant: ", "<|end_of_sentence|>"), "Assistant: "), r"ernie-?4\.5", r"<\|end_of_sentence\|>"),
    ("seed-coder", tagged("<[begin▁of▁sentence]>{}\n", "<[end▁of▁sentence]>", roles={"system": ("<[begin▁of▁sentence]>system\n", "\n\n<[end▁of▁sentence]>")}, system=SystemText(default=PUBLISHED["seed-coder"]), trim=ALL), r"seed-coder.*instruct", r"<\[begin▁of▁sentence\]>"),
    ("seed-oss", tagged("<seed:bos>{}\n", "<seed:eos>", names={"tool": "tool"}, system=SystemText(with_tools=PUBLISHED["seed-oss-with-tools"]), tools=forms.SEED_OSS, trim=("assistant",)), r"seed-?oss", r"<seed:bos>"),
    ("ling-3", tagged(*_LING, names=_LING_NAMES, roles=_ling("detailed thinking on") | {"assistant": ("<role>ASSISTANT</role>\n<think></think>", "<|role_end|>")}, final="<role>ASSISTANT</role>\n<think>", system=SystemText(default=""), tools=forms.LING_3, forgets=None, thought=_IN_MARKS), r"\b(ling|ring)\b.*-3\.\d", ""),
    ("ling-2", tagged(*_LING, names=_LING_NAMES, roles=_ling("detailed thinking off"), system=SystemText(default=""), tools=forms.LING_2, forgets="\n", thought=("\n<think>\n", "\n</think>\n\n", "\n</think>\n")), r"\bling-(1t|(flash|mini)-2\.0)", r"<role>HUMAN</role>.*<\|role_end\|>"),
    ("ring-2", tagged("<role>{}</role>", "", names=_LING_NAMES, final="<role>ASSISTANT</role><think>\n", forgets="\n"), r"\bring-(1t|(flash|mini)-2\.0|lite)", r"<role>HUMAN</role>.*<think>"),
    ("ling", tagged("<role>{}</role>", "", names=_LING_NAMES), r"\bling-(lite|plus|coder)", r"<role>HUMAN</role>"),
    ("longcat-thinking", labelled(("SYSTEM:", " "), ("[Round {round}] USER:", ""), (" ASSISTANT:", "</longcat_s> "), " /think_on ASSISTANT:", roles={"tool": ("TOOL:", "")}, first_round=0, tools=forms.LONGCAT), r"longcat.*thinking", ""),
    ("longcat", labelled(("SYSTEM:", " "), ("[Round {round}] USER:", ""), (" ASSISTANT:", "</longcat_s> "), " ASSISTANT:", roles={"tool": ("TOOL:", "")}, first_round=0, tools=forms.LONGCAT), r"longcat-flash-(chat|lite)", r"\[Round \d+\] USER:"),
    ("apertus", tagged("<|{}_start|>", "", roles={"system": ("<|system_start|>", "<|system_end|>"), "user": ("<|user_start|>", "<|user_end|>"), "opening": ("<|system_start|>", f"<|system_end|>{_APERTUS}Tool Capabilities: disabled<|developer_end|>"), "opening_with_tools": ("<|system_start|>", "<|system_end|>"), "tools": (f"{_APERTUS}Tool Capabilities:\n", "<|developer_end|>"), "assistant": ("<|assistant_start|>", "<|assistant_end|>"), "calls": ("<|assistant_start|>", ""), "tool": ("", ""), "after_tool": ("", "<|assistant_start|>")}, system=SystemText(default=PUBLISHED["apertus"]), tools=forms.APERTUS), r"apertus.*instruct", r"<\|user_start\|>"),
    ("apriel-1.5", tagged("<|{}|>\n", "\n<|end|>\n", names={"tool": "tool_result"}, roles={"system": (f"<|system|>\n{PUBLISHED['apriel-1.5']}", "\n<|end|>\n"), "default_with_tools": (f"<|system|>\n{PUBLISHED['apriel-1.5']}", f"\n{PUBLISHED['apriel-1.5-calls']}\n<|end|>\n<|system|>\n{PUBLISHED['apriel-1.5']}\n<|end|>\n")}, system=SystemText(default="", unless_anywhere=True), tools=forms.APRIEL_1_5), r"apriel-1\.5|apriel-nemotron", ""),
    ("apriel-1.6", tagged("<|begin_{}|>\n", "\n", names={"tool": "tool_result"}, roles={"opening": (f"<|begin_system|>\n{PUBLISHED['apriel-1.6']}\n", "\n"), "opening_with_tools": (f"<|begin_system|>\n{PUBLISHED['apriel-1.6']}\n", "\n"), "default": (f"<|begin_system|>\n{PUBLISHED['apriel-1.6']}", "\n"), "user": ("<|begin_user|>\n", ""), "assistant": ("\n<|begin_assistant|>\n", "\n<|end|>\n")}, final="\n<|begin_assistant|>\nHere are my reasoning steps:\n", system=SystemText(default=""), tools=forms.APRIEL_1_6), r"apriel-1\.6", r"<\|begin_user\|>"),
    ("telechat", labelled(("", ""), ("<_user>", ""), ("<_bot>", "<_end>"), answered=True, system=SystemText("front"), trim=("system",)), r"telechat", r"<_user>"),
    ("orion", labelled(("", ""), ("Human: ", "\n\n"), ("Assistant: </s>", "</s>"), answered=True), r"orion.*chat", ""),
    # Meta
    ("vicuna", labelled(("", " "), ("USER: ", " "), ("ASSISTANT: ", "</s>")), r"vicuna|em-german|wizardlm|airoboros.*gpt4-1\.|goliath|capybara|xwin|longchat|bakllava|(?<!llama3-)(?<!llama-3-)llava(?!.*(mistral|mixtral|llama-?3|gemma)|-(cot|o1)|.*-7b-32k)", r"USER:.*ASSISTANT:"),
    ("codellama-70b", labelled(("Source: system\n\n ", " <step> "), ("Source: user\n\n ", " <step> "), ("Source: assistant\n\n ", " <step> "), "Source: assistant\nDestination: user\n\n ", trim=ALL), r"code-?llama-70b.*instruct", r"Source: user"),
    ("chatqa", labelled(("Assistant: ", "\n\n"), ("User: ", "\n\n"), ("Assistant: ", "\n\n"), roles={"opening": ("System: ", "\n\n")}, system=SystemText(default=PUBLISHED["chatqa"])), r"chatqa", ""),
    ("nemotron-4", labelled(("<extra_id_0>System\n", "\n\n"), ("<extra_id_1>User\n", "\n"), ("<extra_id_1>Assistant\n", "\n"), roles={"default": ("<extra_id_0>System\n", "\n")}, system=SystemText("front", default="", unless_anywhere=True), trim=ALL), r"nemotron-(4|mini)|minitron.*instruct", r"<extra_id_1>User"),
    ("llama-4", tagged("<|header_start|>{}<|header_end|>\n\n", "<|eot|>", names={"tool": "ipython"}, roles={"opening": (_LLAMA_4, "<|eot|>"), "opening_with_tools": (_LLAMA_4 + "Environment: ipython\n", "<|eot|>")}, tools=forms.LLAMA_4), r"llama-?4-(scout|maverick)(?!-17b-\d+e$)", r"<\|header_start\|>"),
    ("llama-3.2", dated_llama_3("{today:%d %b %Y}"), r"llama-?v?3\.2(?!\d*b)|llava-(cot|o1)", ""),
    ("nemotron-super-1.5", tagged("<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>", names={"tool": "tool"}, roles={"opening": ("<|start_header_id|>system<|end_header_id|>\n\n", "\n\n<|eot_id|>"), "opening_with_tools": _NEMOTRON, "default": _NEMOTRON, "default_with_tools": _NEMOTRON}, system=SystemText(default=""), tools=forms.NEMOTRON_SUPER, forgets="\n"), r"nemotron-super-49b-v1[.-]5", ""),
    ("nemotron-70b", llama_3(system=SystemText(default="")), r"nemotron-(70b|super-49b|ultra-253b|nano-[48]b)", ""),
    ("llama-3.1", dated_llama_3("26 Jul 2024"), r"(llama-?v?|\bl)3\.[13](?!\d*b)|nemotron|toolace-|watt-tool|foundation-sec.*instruct|krikri.*instruct|llama-(xlam-2|sea-lion|pllum|poro)|anubis|secalign|huatuogpt-o1-8b", ""),
    ("rnj-1", tagged("<|start_header_id|>{}<|end_header_id|>\n", "<|eot_id|>", names={"tool": "user"}, roles={"default": (f"{_RNJ_1}\n", "<|eot_id|>"), "opening": (f"{_RNJ_1}\n\n", "<|eot_id|>"), "opening_with_tools": (f"{_RNJ_1}\n\n", "<|eot_id|>"), "default_with_tools": (f"{_RNJ_1}\n\n", "<|eot_id|>")}, tools=forms.QWEN, system=SystemText(default="")), r"\brnj-1.*instruct", ""),
    ("llama-3", llama_3(), r"llama-?v?3(?!\d)|hermes-?4-(70|405)b|deephermes-3|cogito.*llama|reflection|^l3-|lumimaid|stheno|athene-70b|openbiollm|daredevil-8b|kanana-(1\.5|nano).*instruct|turkish-llama-8b", r"<\|start_header_id\|>"),
    ("llama-2", turns(("[INST] ", " [/INST]"), (" ", " </s><s>"), system=SystemText("next_user", ("<<SYS>>\n", "\n<</SYS>>\n\n")), trim=("assistant", "turn")), r"llama-?v?2.*(chat|instruct)|alpaca-2|code-?llama.*instruct|airoboros|smaug-34b|vistral.*chat", r"<<SYS>>"),
    # Mistral
    ("devstral-2507", mistral_7("", forms.DEVSTRAL, PUBLISHED["devstral-2507"]), r"devstral.*(2507|-1\.1)", ""),
    ("devstral", mistral_7("", forms.MISTRAL_TEKKEN, PUBLISHED["devstral"]), r"devstral(?!-?(2\b|small-?2\b|.*-25(0[6-9]|1\d))|-medium)", ""),
    ("magistral", mistral_7("", forms.MISTRAL_TEKKEN, PUBLISHED["magistral"]), r"magistral.*2506", ""),
    ("mistral-small-3.2", mistral_7("", forms.MISTRAL_SMALL_3_2, PUBLISHED["mistral-small-3.2"]), r"mistral-small-3\.2|mistral-small.*2506", ""),
    ("mistral-small-3", mistral_7("", forms.MISTRAL_TEKKEN, PUBLISHED["mistral-small-3"]), r"mistral-small-3(?!\.\d)|mistral-small-3\.1|mistral-small-24b|mistral-small.*250[13]", ""),
    ("ministral-3-reasoning", mistral_7("", forms.DEVSTRAL, PUBLISHED["ministral-3-reasoning"]), r"ministral-3.*reasoning", ""),
    ("mistral-v13", mistral_7("", forms.DEVSTRAL), r"ministral-3(?!b)|devstral-?(small-?)?2\b|devstral.*25(0[89]|1\d)|mistral-large-(3|25(0[89]|1\d))|magistral.*250[79]|mistral-medium.*25(0[89]|1\d)|leanstral|mistral-(small|medium|large)-([4-9](?!\d)|.*2[6-9]\d\d)", ""),
    ("mistral-v7-tekken", mistral_7("", forms.MISTRAL_TEKKEN), r"mistral-small-3|mistral-(small|large).*-25\d\d|mistral-large-3|devstral|magistral|mistral-medium|ministral-3(?!b)|voxtral|cydonia-24b|arcee-blitz|skyfall", r"\[SYSTEM_PROMPT\]\S"),
    ("mistral-v7", mistral_7(" ", forms.MISTRAL_V3), r"mistral-large.*2411|pixtral-large", r"\[SYSTEM_PROMPT\] "),
    ("mistral-tekken", mistral("", forms.MISTRAL_TEKKEN), r"mistral-nemo|ministral|pixtral", r"\[INST\][^\s<]"),
    ("mistral-v3", mistral(" ", forms.MISTRAL_V3, trim=("assistant",)), r"(mistral|mathstral).*v0\.3|8x22b-instruct|codestral|mistral-(large|small)|mathstral|behemoth-123b", r"\[INST\] (?!<<SYS>>)[^\[]*\S\[/INST\]"),
    ("mistral-v0.1", turns(("[INST] ", " [/INST]"), ("", "</s> ")), r"mistral-7b-instruct-v0\.1", ""),
    ("mistral", turns(("[INST] ", " [/INST]"), (" ", "</s> ")), r"mi[sx]tral|miqu|prometheus-(7b|8x7b)-v2|saul.*instruct|llava.*-7b-32k", r"\[INST\]"),
    # Google, TII
    ("gemma-4", tagged("<|turn>{}\n", "<turn|>\n", names={"assistant": "model"}, roles={"calls": ("<|turn>model\n", ""), "tool": ("", ""), "after_tool": ("", "")}, tools=forms.GEMMA_4, final="<|turn>model\n<|channel>thought\n<channel|>", trim=ALL), r"gemma-?4(?!b)", r"<\|turn>"),
    ("functiongemma", tagged("<start_of_turn>{}\n", "<end_of_turn>\n", names={"system": "developer", "assistant": "model"}, roles={"calls": ("<start_of_turn>model\n", ""), "tool": ("", ""), "after_tool": ("", "")}, system=SystemText(with_tools=PUBLISHED["function-gemma"]), tools=forms.FUNCTION_GEMMA, trim=ALL), r"function-?gemma", r"<start_of_turn>developer"),
    ("gemma", turns(("<start_of_turn>user\n", "<end_of_turn>\n"), ("<start_of_turn>model\n", "<end_of_turn>\n"), "<start_of_turn>model\n", trim=("user", "assistant")), r"gemma|silma|tower-plus-(2|9)b", r"<start_of_turn>"),
    ("falcon-180b", labelled(("System: ", "\n"), ("User: ", "\n"), ("Falcon: ", "\n")), r"falcon-180b.*chat", r"User:.*Falcon:"),
    ("falcon", labelled(("", "\n\n"), ("User: ", "\n\n"), ("Assistant: ", "\n\n"), trim=ALL), r"falcon.*(instruct|chat)|rwkv", ""),
    ("plain", PLAIN, "", r"User:.*Assistant:"),
]
# fmt: on
