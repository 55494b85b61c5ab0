"""The forms in which the families' published templates write tools."""
# ruff: noqa: RUF001 - published texts; DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

from typing import Any

import msgspec

from .definitions import MINIMAX
from .published_texts import COMMAND_A_TOOLS, PUBLISHED
from .tool_format import ToolFormat

_TAGGED_CALL = '<tool_call>\n{"name": "{name}", "arguments": {arguments}}\n</tool_call>'

QWEN = ToolFormat(
    PUBLISHED["qwen-tools"],
    call=_TAGGED_CALL,
    answer="\n<tool_response>\n{content}\n</tool_response>",
    between_answers="",
)

HERMES = ToolFormat(
    PUBLISHED["hermes-tools"],
    place="before",
    tool="signature",
    call=_TAGGED_CALL,
    answer="<tool_response>\n{content}\n</tool_response>",
    between_answers="\n",
)

LLAMA = ToolFormat(
    PUBLISHED["llama-tools"],
    place="first_user",
    tool="indented",
    between_tools="\n\n",
    call='{"name": "{name}", "parameters": {arguments}}',
    answer="{json}",
)

MISTRAL_TEKKEN = ToolFormat(
    "[AVAILABLE_TOOLS][{tools}][/AVAILABLE_TOOLS]",
    place="before_last_user",
    between_tools=", ",
    call='{"name": "{name}", "arguments": {arguments}, "id": "{id}"}',
    calls=("[TOOL_CALLS][", "]"),
    between_calls=", ",
    answer='[TOOL_RESULTS]{"content": {content}, "call_id": "{id}"}[/TOOL_RESULTS]',
    longest_id=9,
)

MISTRAL_V3 = msgspec.structs.replace(
    MISTRAL_TEKKEN,
    definitions="[AVAILABLE_TOOLS] [{tools}][/AVAILABLE_TOOLS]",
    calls=("[TOOL_CALLS] [", "]"),
    answer='[TOOL_RESULTS] {"content": {content}, "call_id": "{id}"}[/TOOL_RESULTS]',
)

MISTRAL_SMALL_3_2 = msgspec.structs.replace(
    MISTRAL_TEKKEN,
    call="[TOOL_CALLS]{name}[CALL_ID]{id}[ARGS]{arguments}",
    calls=("", ""),
    between_calls="",
    after_text="",
    answer="[TOOL_RESULTS]{id}[TOOL_CONTENT]{content}[/TOOL_RESULTS]",
)

DEVSTRAL = msgspec.structs.replace(
    MISTRAL_SMALL_3_2,
    place="after",
    call="[TOOL_CALLS]{name}[ARGS]{arguments}",
    answer="[TOOL_RESULTS]{content}[/TOOL_RESULTS]",
)

GRANITE_3_1 = ToolFormat(
    "[\n    {tools}\n]",
    place="after",
    tool="listed",
    between_tools=",\n    ",
    calls=("<|tool_call|>[", "]"),
    between_calls=", ",
)

GRANITE = msgspec.structs.replace(
    GRANITE_3_1, definitions="{tools}", place="before", tool="indented", between_tools="\n\n"
)

DEEPSEEK = ToolFormat(
    PUBLISHED["deepseek-tools"],
    tool="fenced",
    between_tools="",
    call="<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```<｜tool▁call▁end｜>",
    calls=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    after_text="",
    answer="<｜tool▁output▁begin｜>{content}<｜tool▁output▁end｜>",
    between_answers="\n",
    answers=("<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"),
)

COMMAND_R = ToolFormat(
    # Without its tool `directly-answer`: no caller offers one, and no answer calls it.
    PUBLISHED["command-r-tools"],
    tool="python",
    between_tools="\n\n",
    call='    {\n        "tool_name": "{name}",\n        "parameters": {arguments}\n    }',
    arguments="indented",
    calls=("Action:\n```json\n[\n", "\n]```"),
    between_calls=",\n",
    reminder=PUBLISHED["command-r-reminder"],
)

COMMAND_A = ToolFormat(
    COMMAND_A_TOOLS,
    place="system_top",
    between_system=PUBLISHED["command-a-developer"],
    tool="with responses",
    between_tools=",\n    ",
    call='    {"tool_call_id": "{number}", "tool_name": "{name}", "parameters": {arguments}}',
    calls=("<|START_ACTION|>[\n", "\n]<|END_ACTION|>"),
    between_calls=",\n",
    after_text=None,
    answer='    {\n        "tool_call_id": "{number}",\n        "results": {\n            "0": {json}\n        },\n'
    '        "is_error": null\n    }',
    between_answers=",\n",
    answers=("<|START_TOOL_RESULT|>[\n", "\n]<|END_TOOL_RESULT|>"),
)

DEEPSEEK_3_1 = ToolFormat(
    PUBLISHED["deepseek-3.1-tools"],
    tool="headed",
    between_tools="\n\n",
    call="<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜>",
    calls=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    between_calls="",
    after_text="",
    answer="<｜tool▁output▁begin｜>{content}<｜tool▁output▁end｜>",
)

GPT_OSS = ToolFormat(
    PUBLISHED["gpt-oss-tools"],
    tool="typescript",
    between_tools="\n\n",
    call="<|start|>assistant to=functions.{name}<|channel|>commentary json<|message|>{arguments}<|call|>",
    between_calls="",
    after_text=None,
    answer="<|start|>functions.{name} to=assistant<|channel|>commentary<|message|>{json}<|end|>",
)

GRANITE_4 = msgspec.structs.replace(QWEN, definitions=PUBLISHED["granite-4-tools"])

EXAONE_4 = ToolFormat(
    PUBLISHED["exaone-4-tools"],
    between_tools="</tool>\n<tool>",
    call='<tool_call>{"name": "{name}", "arguments": {arguments}}</tool_call>',
    answer='<tool_result>{"result": {json}}</tool_result>',
    between_answers="\n",
)

SEED_OSS = ToolFormat(
    PUBLISHED["seed-oss-tools"],
    tool="docstring",
    between_tools="\n\n",
    call="<seed:tool_call>\n<function={name}>\n{arguments}</function>\n</seed:tool_call>",
    argument="<parameter={key}>{value}</parameter>\n",
    after_text="\n\n",
)

GEMMA_4 = ToolFormat(
    "{tools}",
    tool="declaration",
    between_tools="",
    between_system="",
    call="<|tool_call>call:{name}{arguments}<tool_call|>",
    arguments="marked",
    between_calls="",
    after_text="",
    answer='<|tool_response>response:{name}{value:<|"|>{content}<|"|>}<tool_response|>',
)

KIMI = ToolFormat(
    "[{tools}]",
    place="before",
    between_tools=", ",
    call="<|tool_call_begin|>functions.{name}:{number}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>",
    calls=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    between_calls="",
    after_text="",
    answer="## Return of functions.{name}:{number}\n{content}",
)

KIMI_2_5 = msgspec.structs.replace(KIMI, tool="compact", between_tools=",")

LLAMA_4 = msgspec.structs.replace(LLAMA, calls=("<|python_start|><|python_end|>", ""), between_calls="")

JAMBA = ToolFormat(
    PUBLISHED["jamba-tools"],
    tool="indented function",
    between_tools="\n\n",
    calls=("<tool_calls>[\n    ", "\n]</tool_calls>"),
    between_calls=",\n    ",
    answer="({name}){content}",
)

GLM = ToolFormat(
    PUBLISHED["glm-tools"],
    place="before",
    call="<tool_call>{name}\n{arguments}</tool_call>",
    argument="<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n",
    answer="<tool_response>\n{content}\n</tool_response>",
    between_answers="\n",
)

GLM_5 = ToolFormat(
    PUBLISHED["glm-5-tools"],
    place="before",
    call="<tool_call>{name}{arguments}</tool_call>",
    argument="<arg_key>{key}</arg_key><arg_value>{value}</arg_value>",
    between_calls="",
    after_text="",
    answer="<tool_response>{content}</tool_response>",
    between_answers="",
)

QWEN_CODER = ToolFormat(
    PUBLISHED["qwen-coder-tools"],
    tool="xml",
    call="<tool_call>\n<function={name}>\n{arguments}</function>\n</tool_call>",
    argument="<parameter={key}>\n{value}\n</parameter>\n",
    after_text="\n\n",
    answer="<tool_response>\n{content}\n</tool_response>\n",
    between_answers="",
)

GLM_5_2 = msgspec.structs.replace(GLM_5, tool="function")

NEMOTRON_3 = msgspec.structs.replace(
    QWEN_CODER,
    definitions="# Tools\n\n" + PUBLISHED["qwen-coder-tools"],
    tool="xml with lists",
    calls=("\n", "\n"),
    after_text="",
)

QWEN_3_5 = msgspec.structs.replace(
    QWEN_CODER,
    definitions="# Tools\n\n" + PUBLISHED["qwen-coder-tools"],
    place="system_top",
    tool="json",
    answer="<tool_response>\n{content}\n</tool_response>",
    between_answers="\n",
)

MINIMAX_M2 = ToolFormat(
    PUBLISHED["minimax-m2-tools"],
    tool="tagged function",
    call='<invoke name="{name}">\n{arguments}</invoke>\n',
    argument='<parameter name="{key}">{value}</parameter>\n',
    calls=("\n<minimax:tool_call>\n", "</minimax:tool_call>"),
    between_calls="",
    after_text="",
    answer="\n<response>{content}</response>",
    between_answers="",
)

MINIMAX_M1 = ToolFormat(
    PUBLISHED["minimax-m1-tools"],
    place="after",
    calls=("<tool_calls>\n", "\n</tool_calls>"),
    answer="tool result: {content}\n\n",
)

_DSML: dict[str, Any] = {
    "tool": "function",
    "call": '<｜DSML｜invoke name="{name}">\n{arguments}</｜DSML｜invoke>\n',
    "argument": '<｜DSML｜parameter name="{key}" string="{is_text}">{value}</｜DSML｜parameter>\n',
    "between_calls": "",
    "after_text": "",
}

DEEPSEEK_3_2 = ToolFormat(
    PUBLISHED["deepseek-3.2-tools"],
    calls=("\n\n<｜DSML｜function_calls>\n", "</｜DSML｜function_calls>"),
    answer="\n<result>{content}</result>",
    between_answers="",
    answers=("\n\n<function_results>", "\n</function_results>"),
    **_DSML,
)

DEEPSEEK_4 = ToolFormat(
    PUBLISHED["deepseek-4-tools"],
    calls=("\n\n<｜DSML｜tool_calls>\n", "</｜DSML｜tool_calls>"),
    answer="<tool_result>{content}</tool_result>",
    between_answers="\n\n",
    **_DSML,
)

LING_2 = msgspec.structs.replace(QWEN, between_system="\n")

LING_3 = msgspec.structs.replace(
    LING_2,
    definitions=PUBLISHED["ling-3-tools"],
    call="<tool_call>{name}\n{arguments}\n</tool_call>",
    argument="<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>",
)

STEP_3_5 = msgspec.structs.replace(
    QWEN_CODER,
    definitions=PUBLISHED["step-3.5-tools"],
    tool="json",
    between_calls="",
    after_text="",
    answer="<tool_response>{content}</tool_response>",
)

NEMOTRON_NANO_2 = ToolFormat(
    PUBLISHED["nemotron-nano-2-tools"],
    tool="function",
    between_tools=", ",
    calls=("<TOOLCALL>[", "]</TOOLCALL>"),
    between_calls=", ",
    between_answers=", ",
    answers=("<TOOL_RESPONSE>[", "]</TOOL_RESPONSE>"),
)

NEMOTRON_SUPER = msgspec.structs.replace(
    NEMOTRON_NANO_2, definitions=PUBLISHED["nemotron-super-tools"], after_text=""
)

APERTUS = ToolFormat(
    "{tools}",
    place="after",
    tool="typescript without a last comma",
    call='{"{name}": {arguments}}',
    calls=("<|tools_prefix|>[", "]<|tools_suffix|>"),
    between_calls=", ",
    after_text="",
    between_answers=", ",
    answers=("[", "]"),
)

APRIEL_1_5 = ToolFormat(
    PUBLISHED["apriel-1.5-tools"],
    tool="python literal",
    between_system="\n",
    call='{"name": "{name}", "arguments": {arguments}, "id": "{id}"}',
    calls=("\n<tool_calls>[", "]</tool_calls>"),
    between_calls=", ",
    after_text="",
)

APRIEL_1_6 = msgspec.structs.replace(APRIEL_1_5, definitions=PUBLISHED["apriel-1.6-tools"], between_tools="")

LONGCAT = ToolFormat(
    PUBLISHED["longcat-tools"],
    place="before",
    tool="longcat",
    between_tools="\n\n",
    call='<longcat_tool_call>\n{"name": "{name}", "arguments": {arguments}}\n</longcat_tool_call>',
    between_calls="",
)

LFM_2 = ToolFormat(
    "List of tools: [{tools}]",
    between_tools=", ",
    between_system="\n",
    call="{name}({arguments})",
    arguments="python",
    calls=("<|tool_call_start|>[", "]<|tool_call_end|>"),
    between_calls=", ",
    after_text="",
)

MIMO_2 = msgspec.structs.replace(
    QWEN_CODER,
    definitions=PUBLISHED["mimo-2-tools"],
    argument="<parameter={key}>{value}</parameter>\n",
    between_calls="",
    after_text="",
)

HY_3 = ToolFormat(
    PUBLISHED["hy-3-tools"],
    call="<tool_call:opensource>{name}<tool_sep:opensource>\n{arguments}</tool_call:opensource>\n",
    argument="<arg_key:opensource>{key}</arg_key:opensource>\n"
    "<arg_value:opensource>{value}</arg_value:opensource>\n",
    calls=("<tool_calls:opensource>\n", "</tool_calls:opensource>"),
    between_calls="",
    after_text="",
    answer="<tool_response:opensource>\n{content}\n</tool_response:opensource>\n",
    between_answers="",
    answers=("<tool_responses:opensource>\n", "</tool_responses:opensource>"),
)

PHI_4_MINI = ToolFormat(
    "<|tool|>[{tools}]<|/tool|>",
    tool="function",
    between_tools=", ",
    between_system="",
    calls=("<|tool_call|>[", "]<|/tool_call|>"),
    between_calls=", ",
    after_text="",
)

OLMO_3 = ToolFormat(
    "<functions>[{tools}]</functions>",
    between_tools=", ",
    between_system="",
    call="{name}({arguments})",
    arguments="keywords",
    calls=("<function_calls>", "</function_calls>"),
    after_text="",
)

OLMO_3_THINK = msgspec.structs.replace(OLMO_3, between_system=" ")

SMOLLM_3 = ToolFormat(
    PUBLISHED["smollm-3-tools"],
    tool="python literal",
    call=_TAGGED_CALL,
)

FUNCTION_GEMMA = msgspec.structs.replace(
    GEMMA_4,
    tool="escaped declaration",
    call="<start_function_call>call:{name}{arguments}<end_function_call>",
    arguments="escaped",
    answer="<start_function_response>response:{name}{value:<escape>{content}<escape>}<end_function_response>",
)

SOLAR_OPEN = ToolFormat(
    PUBLISHED["solar-open-tools"],
    tool="function",
    between_tools="<|tool:end|><|tool:begin|>",
    call="<|tool_call:begin|>{id}<|tool_call:name|>{name}<|tool_call:args|>{arguments}<|tool_call:end|>",
    between_calls="",
    after_text=None,
    answer="<|tool_response:begin|>{id}<|tool_response:name|>{name}<|tool_response:result|>{content}"
    "<|tool_response:end|>",
    between_answers="",
)

GIGACHAT = ToolFormat(
    "namespace functions {\n{tools}\n\n} // namespace functions\n\n",
    place="after",
    tool="indented typescript",
    between_tools="\n\n",
    calls=("<|function_call|>", ""),
    between_calls="<|function_call|>",
    after_text="",
)

GIGACHAT_3 = msgspec.structs.replace(GIGACHAT, calls=("", ""), between_calls="\n", after_text=None)

MINIMAX_M3 = msgspec.structs.replace(
    MINIMAX_M2,
    definitions=PUBLISHED["minimax-m3-tools"],
    call=f'{MINIMAX}<invoke name="{{name}}">{{arguments}}{MINIMAX}</invoke>\n',
    argument="",
    arguments="nested",
    calls=(f"{MINIMAX}<tool_call>\n", f"{MINIMAX}</tool_call>"),
)

HYPERCLOVA = ToolFormat(
    "[{tools}]",
    place="before",
    tool="function",
    between_tools=", ",
    calls=("[", "]"),
    between_calls=", ",
    after_text=None,
)

LAGUNA_S = msgspec.structs.replace(
    GLM_5,
    definitions=PUBLISHED["laguna-s-tools"],
    place="system",
    answer="<tool_response>{content}</tool_response>\n",
)

LAGUNA = ToolFormat(
    PUBLISHED["laguna-tools"],
    call="<tool_call>{name}\n{arguments}</tool_call>\n",
    argument="<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n",
    between_calls="",
    answer="<tool_response>\n{content}\n</tool_response>\n",
)

SPARK_2_5 = msgspec.structs.replace(
    GLM_5, definitions=PUBLISHED["spark-2.5-tools"], place="system_top", tool="function"
)

REKA = msgspec.structs.replace(
    QWEN,
    between_calls="",
    answer="<tool_response>\n{content}\n</tool_response>",
)

MINICPM_5 = msgspec.structs.replace(
    QWEN,
    definitions=PUBLISHED["minicpm-5-tools"],
    call='<function name="{name}">{arguments}</function>',
    argument='<param name="{key}">{value}</param>',
)
