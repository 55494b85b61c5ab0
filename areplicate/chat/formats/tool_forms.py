"""The forms in which the families' published templates write tools."""
# ruff: noqa: RUF001 - published texts; DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import msgspec

from .tools import ToolFormat

_TAGGED_CALL = '<tool_call>\n{"name": "{name}", "arguments": {arguments}}\n</tool_call>'

QWEN = ToolFormat(
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{tools}\n</tools>\n\n"
    "For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n"
    '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
    call=_TAGGED_CALL,
    answer="\n<tool_response>\n{content}\n</tool_response>",
    between_answers="",
)

HERMES = ToolFormat(
    "You are a function calling AI model. You are provided with function signatures within <tools></tools> XML tags. "
    "You may call one or more functions to assist with the user query. Don't make assumptions about what values to plug into functions. "
    "Here are the available tools: <tools> {tools} </tools>Use the following pydantic model json schema for each tool call you will make: "
    '{"properties": {"name": {"title": "Name", "type": "string"}, "arguments": {"title": "Arguments", "type": "object"}}, '
    '"required": ["name", "arguments"], "title": "FunctionCall", "type": "object"}}\n'
    "For each function call return a json object with function name and arguments within <tool_call></tool_call> XML tags as follows:\n"
    '<tool_call>\n{"name": <function-name>, "arguments": <args-dict>}\n</tool_call>',
    place="before",
    tool="signature",
    call=_TAGGED_CALL,
    answer="<tool_response>\n{content}\n</tool_response>",
    between_answers="\n",
)

LLAMA = ToolFormat(
    "Given the following functions, please respond with a JSON for a function call with its proper arguments that best answers the given prompt.\n\n"
    'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.'
    "Do not use variables.\n\n{tools}\n\n",
    place="first_user",
    tool="indented",
    between_tools="\n\n",
    call='{"name": "{name}", "parameters": {arguments}}',
    answer="{json}",
)

MISTRAL_V3 = ToolFormat(
    "[AVAILABLE_TOOLS] [{tools}][/AVAILABLE_TOOLS]",
    place="before_last_user",
    between_tools=", ",
    call='{"name": "{name}", "arguments": {arguments}, "id": "{id}"}',
    calls=("[TOOL_CALLS] [", "]"),
    between_calls=", ",
    answer='[TOOL_RESULTS] {"content": {content}, "call_id": "{id}"}[/TOOL_RESULTS]',
    longest_id=9,
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

GRANITE = ToolFormat(
    "{tools}",
    place="before",
    tool="indented",
    between_tools="\n\n",
    call='{"name": "{name}", "arguments": {arguments}}',
    calls=("<|tool_call|>[", "]"),
    between_calls=", ",
)

DEEPSEEK = ToolFormat(
    "You are a helpful assistant with tool calling capabilities. When a tool call is needed, you MUST use the following format to issue the call:\n"
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>FUNCTION_NAME\n"
    '```json\n{"param1": "value1", "param2": "value2"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>\n\n'
    "Make sure the JSON is valid.## Tools\n\n### Function\n\nYou have the following functions available:\n\n{tools}",
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
    "## Available Tools\nHere is a list of tools that you have available to you:\n\n{tools}",
    tool="python",
    between_tools="\n\n",
    call='    {\n        "tool_name": "{name}",\n        "parameters": {arguments}\n    }',
    calls=("Action: ```json\n[\n", "\n]```"),
    between_calls=",\n",
)

KIMI = ToolFormat(
    "[{tools}]",
    place="before",
    between_tools=", ",
    call="<|tool_call_begin|>{id}<|tool_call_argument_begin|>{arguments}<|tool_call_end|>",
    calls=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    between_calls="",
    after_text="",
    answer="## Return of {id}\n{content}",
)

LLAMA_4 = msgspec.structs.replace(LLAMA, calls=("<|python_start|><|python_end|>", ""))

JAMBA = ToolFormat(
    "<tool_definitions>\n# Tools\n\n## Functions\n\n{tools}\n</tool_definitions>",
    tool="indented function",
    between_tools="\n\n",
    call='{"name": "{name}", "arguments": {arguments}}',
    calls=("<tool_calls>[\n    ", "\n]</tool_calls>"),
    between_calls=",\n    ",
    answer="({name}){content}",
)

_GLM_TOOLS = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{tools}\n</tools>\n\n"
    "For each function call, output the function name and arguments within the following XML format:\n"
)

GLM = ToolFormat(
    _GLM_TOOLS
    + "<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>\n"
    "<arg_key>{arg-key-2}</arg_key>\n<arg_value>{arg-value-2}</arg_value>\n...\n</tool_call>",
    place="before",
    call="<tool_call>{name}\n{arguments}</tool_call>",
    argument="<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n",
    answer="<tool_response>\n{content}\n</tool_response>",
    between_answers="\n",
)

GLM_5 = ToolFormat(
    _GLM_TOOLS
    + "<tool_call>{function-name}<arg_key>{arg-key-1}</arg_key><arg_value>{arg-value-1}</arg_value>"
    "<arg_key>{arg-key-2}</arg_key><arg_value>{arg-value-2}</arg_value>...</tool_call>",
    place="before",
    call="<tool_call>{name}{arguments}</tool_call>",
    argument="<arg_key>{key}</arg_key><arg_value>{value}</arg_value>",
    between_calls="",
    after_text="",
    answer="<tool_response>{content}</tool_response>",
    between_answers="",
)

QWEN_CODER = ToolFormat(
    "You have access to the following functions:\n\n<tools>\n{tools}\n</tools>\n\n"
    "If you choose to call a function ONLY reply in the following format with NO suffix:\n\n"
    "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n</parameter>\n"
    "<parameter=example_parameter_2>\nThis is the value for the second parameter\nthat can span\nmultiple lines\n"
    "</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\nReminder:\n"
    "- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within <tool_call></tool_call> XML tags\n"
    "- Required parameters MUST be specified\n"
    "- You may provide optional reasoning for your function call in natural language BEFORE the function call, but NOT after\n"
    "- If there is no function call available, answer the question like normal with your current knowledge and do not tell the user about function calls\n"
    "</IMPORTANT>",
    tool="xml",
    call="<tool_call>\n<function={name}>\n{arguments}</function>\n</tool_call>",
    argument="<parameter={key}>\n{value}\n</parameter>\n",
    answer="<tool_response>\n{content}\n</tool_response>\n",
    between_answers="",
)
