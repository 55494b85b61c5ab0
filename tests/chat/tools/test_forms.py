"""Calls in the forms that vLLM's and SGLang's tool parsers read, whole and cut anywhere."""
# ruff: noqa: RUF001 - DeepSeek's and Step's tokens are written with a full-width bar

from __future__ import annotations

from typing import Any

import pytest

from tests.chat.tools.test_reader import Read

ZONE, AT = '{"zone": "UTC"}', '{"at": 7}'


def called(name: str, arguments: str, key: str = "arguments") -> str:
    return f'{{"name": "{name}", "{key}": {arguments}}}'


M3 = "]<]minimax[>["
CLOCK, ALARM = called("clock", ZONE), called("alarm", AT)

FORMS: dict[str, str] = {
    "hermes": f"<tool_call>\n{CLOCK}\n</tool_call>\n<tool_call>\n{ALARM}\n</tool_call>",
    "llama3_json": f"{called('clock', ZONE, 'parameters')}; {called('alarm', AT, 'parameters')}",
    "llama3 tag": f"<|python_tag|>{called('clock', ZONE, 'parameters')}; {called('alarm', AT, 'parameters')}",
    "llama4_pythonic": '[clock(zone="UTC"), alarm(at=7)]',
    "llama4 tagged": '<|python_start|>[clock(zone="UTC"), alarm(at=7)]<|python_end|>',
    "pythonic": '[clock(zone="UTC"), alarm(at=7)]',
    "mistral": f"[TOOL_CALLS] [{CLOCK}, {ALARM}]",
    "mistral11": f"[TOOL_CALLS]clock{ZONE}[TOOL_CALLS]alarm{AT}",
    "mistral args": f"[TOOL_CALLS]clock[ARGS]{ZONE}[TOOL_CALLS]alarm[ARGS]{AT}",
    "internlm (one)": f"<|action_start|><|plugin|>\n{called('clock', ZONE, 'parameters')}<|action_end|>\n<|action_start|><|plugin|>{called('alarm', AT, 'parameters')}<|action_end|>",
    "jamba": f"<tool_calls>[\n    {CLOCK},\n    {ALARM}\n]</tool_calls>",
    "granite": f"<|tool_call|>[{CLOCK}, {ALARM}]",
    "granite 3 text": f"<tool_call>[{CLOCK}, {ALARM}]",
    "granite-20b-fc": f"<function_call> {CLOCK} <function_call> {ALARM}",
    "granite-20b-fc nl": f"<function_call> {CLOCK}\n<function_call> {ALARM}",
    "xlam": f"[{CLOCK}, {ALARM}]",
    "xlam fence": f"```json\n[{CLOCK}, {ALARM}]\n```",
    "xlam tc": f"<tool_call>[{CLOCK}, {ALARM}]</tool_call>",
    "xlam TC": f"[TOOL_CALLS][{CLOCK}, {ALARM}]",
    "phi4": f"functools[{CLOCK}, {ALARM}]",
    "phi4 tok": f"<|tool_call|>[{CLOCK}, {ALARM}]<|/tool_call|>",
    "deepseek_v3": f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>clock\n```json\n{ZONE}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>alarm\n```json\n{AT}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek_v31": f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>clock<｜tool▁sep｜>{ZONE}<｜tool▁call▁end｜><｜tool▁call▁begin｜>alarm<｜tool▁sep｜>{AT}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek_v32": '<｜DSML｜function_calls>\n<｜DSML｜invoke name="clock">\n<｜DSML｜parameter name="zone" string="true">UTC</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name="alarm">\n<｜DSML｜parameter name="at" string="false">7</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
    "deepseek_v4": '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="clock">\n<｜DSML｜parameter name="zone" string="true">UTC</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name="alarm">\n<｜DSML｜parameter name="at" string="false">7</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>',
    "kimi_k2": f"<|tool_calls_section_begin|><|tool_call_begin|>functions.clock:0<|tool_call_argument_begin|>{ZONE}<|tool_call_end|><|tool_call_begin|>functions.alarm:1<|tool_call_argument_begin|>{AT}<|tool_call_end|><|tool_calls_section_end|>",
    "kimi_k2 bare": f"<|tool_call_begin|>functions.clock:0<|tool_call_argument_begin|>{ZONE}<|tool_call_end|><|tool_call_begin|>functions.alarm:1<|tool_call_argument_begin|>{AT}<|tool_call_end|>",
    "kimi_k2 singular": f"<|tool_call_section_begin|><|tool_call_begin|>functions.clock:0<|tool_call_argument_begin|>{ZONE}<|tool_call_end|><|tool_call_begin|>functions.alarm:1<|tool_call_argument_begin|>{AT}<|tool_call_end|><|tool_call_section_end|>",
    "glm45": "<tool_call>clock\n<arg_key>zone</arg_key>\n<arg_value>UTC</arg_value>\n</tool_call>\n<tool_call>alarm\n<arg_key>at</arg_key>\n<arg_value>7</arg_value>\n</tool_call>",
    "glm47": "<tool_call>clock<arg_key>zone</arg_key><arg_value>UTC</arg_value></tool_call><tool_call>alarm<arg_key>at</arg_key><arg_value>7</arg_value></tool_call>",
    "qwen3_coder": "<tool_call>\n<function=clock>\n<parameter=zone>\nUTC\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=alarm>\n<parameter=at>\n7\n</parameter>\n</function>\n</tool_call>",
    "minimax_m1": f"<tool_calls>\n{CLOCK}\n{ALARM}\n</tool_calls>",
    "minimax_m2": '<minimax:tool_call>\n<invoke name="clock">\n<parameter name="zone">UTC</parameter>\n</invoke>\n<invoke name="alarm">\n<parameter name="at">7</parameter>\n</invoke>\n</minimax:tool_call>',
    "step3": '<｜tool_calls_begin｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="clock"><steptml:parameter name="zone">UTC</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="alarm"><steptml:parameter name="at">7</steptml:parameter></steptml:invoke><｜tool_call_end｜><｜tool_calls_end｜>',
    "hunyuan_a13b": f"<tool_calls>[{CLOCK}, {ALARM}]</tool_calls>",
    "seed_oss": "<seed:tool_call>\n<function=clock>\n<parameter=zone>UTC</parameter>\n</function>\n</seed:tool_call><seed:tool_call>\n<function=alarm>\n<parameter=at>7</parameter>\n</function>\n</seed:tool_call>",
    "olmo3": '<function_calls>\nclock(zone="UTC")\nalarm(at=7)\n</function_calls>',
    "ernie45": f"<tool_call>\n{CLOCK}\n</tool_call>\n\n<tool_call>\n{ALARM}\n</tool_call>\n",
    "functiongemma": "<start_function_call>call:clock{zone:<escape>UTC<escape>}<end_function_call><start_function_call>call:alarm{at:7}<end_function_call>",
    "gemma4": '<|tool_call>call:clock{zone:<|"|>UTC<|"|>}<tool_call|><|tool_call>call:alarm{at:7}<tool_call|>',
    "gigachat3 (one)": f"function call<|role_sep|>\n{CLOCK}",
    "gigachat 3.1": f"<|function_call|>{CLOCK}<|function_call|>{ALARM}<|message_sep|>",
    "minimax m3": f'{M3}<tool_call>\n{M3}<invoke name="clock">{M3}<zone>UTC{M3}</zone>{M3}</invoke>\n{M3}<invoke name="alarm">{M3}<at>7{M3}</at>{M3}</invoke>\n{M3}</tool_call>',
    "minimax m3 without its token": '<tool_call>\n<invoke name="clock"><zone>UTC</zone></invoke>\n<invoke name="alarm"><at>7</at></invoke>\n</tool_call>',
    "solar open": f"<|tool_calls|><|tool_call:begin|>a1<|tool_call:name|>clock<|tool_call:args|>{ZONE}<|tool_call:end|><|tool_call:begin|>b2<|tool_call:name|>alarm<|tool_call:args|>{AT}<|tool_call:end|><|calls|>",
    "solar open, its marks cut off": f"<|tool_call:begin|>a1<|tool_call:name|>clock<|tool_call:args|>{ZONE}<|tool_call:end|><|tool_call:begin|>b2<|tool_call:name|>alarm<|tool_call:args|>{AT}",
    "hyperclova": f"<|im_start|>assistant -> tool/function_call\n[{CLOCK}, {ALARM}]<|im_end|><|stop|>",
    "hyperclova, begun": f" -> tool/function_call\n[{CLOCK}, {ALARM}]",
    "hyperclova without its tokens": f"assistant -> tool/function_call\n[{CLOCK}, {ALARM}]",
    "minicpm5": '<function name="clock"><param name="zone"><![CDATA[UTC]]></param></function>\n<function name="alarm"><param name="at">7</param></function>',
    "hy_v3": "<tool_calls:opensource>\n<tool_call:opensource>clock<tool_sep:opensource>\n<arg_key:opensource>zone</arg_key:opensource>\n<arg_value:opensource>UTC</arg_value:opensource>\n</tool_call:opensource>\n<tool_call:opensource>alarm<tool_sep:opensource>\n<arg_key:opensource>at</arg_key:opensource>\n<arg_value:opensource>7</arg_value:opensource>\n</tool_call:opensource>\n</tool_calls:opensource>",
    "longcat": f"<longcat_tool_call>\n{CLOCK}\n</longcat_tool_call>\n<longcat_tool_call>\n{ALARM}\n</longcat_tool_call>",
    "longcat2": "<longcat_tool_call>clock\n<longcat_arg_key>zone</longcat_arg_key>\n<longcat_arg_value>UTC</longcat_arg_value>\n</longcat_tool_call><longcat_tool_call>alarm\n<longcat_arg_key>at</longcat_arg_key>\n<longcat_arg_value>7</longcat_arg_value>\n</longcat_tool_call>",
    "apertus": '<|tools_prefix|>[{"clock": {"zone": "UTC"}}, {"alarm": {"at": 7}}]<|tools_suffix|>',
    "lfm2": '<|tool_call_start|>[clock(zone="UTC"), alarm(at=7)]<|tool_call_end|>',
    "nemotron nano2": f"<TOOLCALL>[{CLOCK}, {ALARM}]</TOOLCALL>",
    "cohere": f'<|START_ACTION|>[\n    {{"tool_call_id": "0", "tool_name": "clock", "parameters": {ZONE}}},\n    {{"tool_call_id": "1", "tool_name": "alarm", "parameters": {AT}}}\n]<|END_ACTION|>',
    "gemma3 tool_code": '```tool_code\nclock(zone="UTC")\nalarm(at=7)\n```',
    "openai": f"<|channel|>commentary to=functions.clock <|constrain|>json<|message|>{ZONE}<|call|>",
    "ling3": "<tool_call>clock\n<arg_key>zone</arg_key>\n<arg_value>UTC</arg_value>\n</tool_call>\n<tool_call>alarm\n<arg_key>at</arg_key>\n<arg_value>7</arg_value>\n</tool_call>",
    "llama function": '<function=clock>{"zone": "UTC"}</function><function=alarm>{"at": 7}</function>',
    "tool no close": f"<tool_call>\n{CLOCK}\n</tool_call>\n<tool_call>\n{ALARM}",
}
BARE = {"xlam", "xlam fence", "llama3_json", "llama4_pythonic", "pythonic", "gemma3 tool_code"}
"""Without any mark: a call only where the answer begins with it."""
ONE = {"gigachat3 (one)", "openai"}
BOTH: Any = [("clock", {"zone": "UTC"}), ("alarm", {"at": 7})]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read_wherever_it_is_cut(form: str) -> None:
    assert_read(form, FORMS[form], "", cuts=len(FORMS[form]))


@pytest.mark.parametrize("form", [form for form in FORMS if form not in BARE])
def test_a_form_is_read_after_a_text(form: str) -> None:
    """Wherever it is cut in that text and in what the form begins with."""
    said = "I look.\n"
    assert_read(form, said + FORMS[form], said.strip(), cuts=len(said) + 30)


def assert_read(form: str, text: str, content: str, cuts: int) -> None:
    """It is read in single letters, and in two pieces, cut at each of the first places."""
    for pieces in (list(text), *[[text[:at], text[at:]] for at in range(min(cuts, len(text)))]):
        read = Read(pieces)
        calls = BOTH[: 1 if form in ONE else 2]
        assert (read.content.strip(), read.calls, read.faults) == (content, calls, [])
