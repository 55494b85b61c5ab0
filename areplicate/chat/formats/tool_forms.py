"""The forms in which the families' published templates write tools."""
# ruff: noqa: RUF001 - published texts; DeepSeek's tokens are written with a full-width bar

from __future__ import annotations

import msgspec

from .system_texts import COMMAND_A_DEVELOPER, COMMAND_A_TOOLS, COMMAND_R_REMINDER
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
    arguments="indented",
    calls=("Action:\n```json\n[\n", "\n]```"),
    between_calls=",\n",
    reminder=COMMAND_R_REMINDER,
)

COMMAND_A = ToolFormat(
    COMMAND_A_TOOLS,
    place="system_top",
    between_system=COMMAND_A_DEVELOPER,
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
    "## Tools\nYou have access to the following tools:\n\n{tools}\n\n"
    "IMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>"
    "{{additional_tool_calls}}<｜tool▁calls▁end｜>\n\nWhere:\n\n"
    "- `tool_call_name` must be an exact match to one of the available tools\n"
    "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n"
    "- For multiple tool calls, chain them directly without separators or spaces\n",
    tool="headed",
    between_tools="\n\n",
    call="<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜>",
    calls=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    between_calls="",
    after_text="",
    answer="<｜tool▁output▁begin｜>{content}<｜tool▁output▁end｜>",
)

GPT_OSS = ToolFormat(
    "# Tools\n\n## functions\n\nnamespace functions {\n\n{tools}\n\n} // namespace functions",
    tool="typescript",
    between_tools="\n\n",
    call="<|start|>assistant to=functions.{name}<|channel|>commentary json<|message|>{arguments}<|call|>",
    between_calls="",
    after_text=None,
    answer="<|start|>functions.{name} to=assistant<|channel|>commentary<|message|>{json}<|end|>",
)

GRANITE_4 = ToolFormat(
    "You are a helpful assistant with access to the following tools. You may call one or more tools "
    "to assist with the user query.\n"
    "\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n"
    "<tools>\n"
    "{tools}"
    "\n"
    "</tools>\n"
    "\n"
    "For each tool call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n"
    "<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n'
    "</tool_call>. If a tool does not exist in the provided list of tools, notify the user that you "
    "do not have the ability to fulfill the request.",
    call=_TAGGED_CALL,
    answer="\n<tool_response>\n{content}\n</tool_response>",
    between_answers="",
)

EXAONE_4 = ToolFormat(
    "# Available Tools\n"
    "You can use none, one, or multiple of the following tools by calling them as functions to help "
    "with the user’s query.\n"
    "Here are the tools available to you in JSON format within <tool> and </tool> tags:\n"
    "<tool>{tools}</tool>"
    "\n"
    "\n"
    "For each function call you want to make, return a JSON object with function name and arguments "
    "within <tool_call> and </tool_call> tags, like:\n"
    '<tool_call>{"name": function_1_name, "arguments": {argument_1_name: argument_1_value, '
    "argument_2_name: argument_2_value}}</tool_call>\n"
    '<tool_call>{"name": function_2_name, "arguments": {...}}</tool_call>\n'
    "...\n"
    "Note that if no argument name is specified for a tool, you can just print the argument value "
    "directly, without the argument name or JSON formatting.",
    between_tools="</tool>\n<tool>",
    call='<tool_call>{"name": "{name}", "arguments": {arguments}}</tool_call>',
    answer='<tool_result>{"result": {json}}</tool_result>',
    between_answers="\n",
)

SEED_OSS = ToolFormat(
    "{tools}\n"
    "工具调用请遵循如下格式:\n"
    "<seed:tool_call>\n"
    "<function=example_function_name>\n"
    "<parameter=example_parameter_1>value_1</parameter>\n"
    "<parameter=example_parameter_2>This is the value for the second parameter\n"
    "that can span\n"
    "multiple lines</parameter>\n"
    "</function>\n"
    "</seed:tool_call>\n",
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

LLAMA_4 = msgspec.structs.replace(LLAMA, calls=("<|python_start|><|python_end|>", ""))

JAMBA = ToolFormat(
    "<tool_definitions>\n# Tools\n\n## Functions\n\n{tools}\n</tool_definitions>",
    tool="indented function",
    between_tools="\n\n",
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
