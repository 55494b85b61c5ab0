"""Hugging Face's chat templates: as tokenizers publish them, and those that mean harm."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from areplicate.chat.conversation import Prompting
from areplicate.chat.formats import jinja
from areplicate.chat.formats.templates import (
    for_template,
    make_template,
    register_prompt_template,
    registered_template,
)
from areplicate.chat.inputs import build_input
from areplicate.errors import BadRequestError
from tests.quickly import quickly

pytestmark = pytest.mark.usefixtures("no_templates")

CONVERSATION = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": " Hi "}]},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Bye"},
]


def render(template: str, messages: Any = CONVERSATION, **tokens: str) -> str:
    return make_template(None, chat_template=template, **tokens).render(messages)


def prompt_of(model: str, messages: Any) -> str:
    """The prompt in the template that is registered for a model."""
    prompting = Prompting(registered_template(model))
    return str(build_input(messages, {}, model=model, prompting=prompting).fields["prompt"])


def test_a_registered_template_makes_the_prompt() -> None:
    register_prompt_template(
        "owner/name",
        chat_template="{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m.content | trim }}"
        "{{ eos_token if m.role == 'assistant' }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}",
        bos_token="<s>",
        eos_token="</s>",
    )
    prompt = "<s>[system] Be brief.[user] Hi[assistant] Hello</s>[user] Bye[assistant]"
    assert prompt_of("owner/name", CONVERSATION) == prompt


CALLED: list[dict[str, Any]] = [
    {"role": "user", "content": "Is it late?"},
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": "I look.",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "noon"},
]


@pytest.mark.parametrize("content", [None, ""])
@pytest.mark.parametrize(
    ("template", "written"),
    [
        (
            "{% for m in messages %}{% if m.content is none %}"
            "{{ m.tool_calls[0].function.name + m.tool_calls[0].function.arguments }}"
            "{% else %}{{ m.content }}{% endif %} {% endfor %}",
            "Is it late? clock{} noon ",
        ),
        (
            "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}<{{ c.function.name }}>"
            "{% endfor %} {% endfor %}",
            "Is it late? <clock> noon ",
        ),
        (
            "{% for m in messages %}{{ m.role + m.content }}{% for c in m.tool_calls %}"
            "<{{ c.function.name + c.function.arguments }}>{% endfor %} {% endfor %}",
            "userIs it late? assistant<clock{}> toolnoon ",
        ),
        ("{% for m in messages %}{{ m.thinking or m.content }} {% endfor %}", "Is it late? I look. noon "),
    ],
    ids=["content that must be none", "content that is printed", "content and arguments as text", "thinking"],
)
def test_a_call_without_text_is_written_in_the_form_that_the_template_takes(
    template: str, written: str, content: Any
) -> None:
    asked, called, answered = CALLED
    assert render(template, [asked, {**called, "content": content}, answered]) == written


def test_what_tokenizers_templates_use_is_there() -> None:
    template = """
{%- macro turn(message, last) -%}
    {%- if last -%}last: {% endif -%}{{ message.content }}
{%- endmacro -%}
{%- set ns = namespace(count=0) -%}
{%- for message in messages if message.role != 'system' -%}
    {%- if message.role == 'assistant' %}{% continue %}{% endif -%}
    {%- set ns.count = ns.count + 1 -%}
    {% generation %}{{ loop.index }}/{{ loop.length }}:{{ turn(message, loop.last) }};{% endgeneration %}
{%- endfor -%}
{{ ns.count }} {{ {'a': 'é<'} | tojson }} {{ tools is none }} {{ documents is none }} {{ messages | map(attribute='role') | join }}
{{- strftime_now('%Y') | length }} {{ 'a.b'.split('.')[0].upper() ~ 1 }} {{ [1] + [2] }} {{ 7 % 4 * 2 ** 3 }}
"""
    assert render(template).splitlines() == [
        '1/3: Hi ;3/3:last: Bye;2 {"a": "é<"} True True systemuserassistantuser4 A1 [1, 2] 24'
    ]


@pytest.mark.parametrize(
    ("template", "values"),
    [
        (make_template(None, chat_template="{{ enable_thinking }}{{ seed }}"), {"enable_thinking": True}),
        (make_template(None, "{{ enable_thinking }}"), {}),
        (None, {}),
    ],
    ids=["Jinja", "roles", "none"],
)
def test_a_template_is_given_what_it_reads_and_the_model_everything_else(
    template: Any, values: dict[str, Any]
) -> None:
    given = {"enable_thinking": True, "seed": 1, "top_k": 2, "own": 3}
    rest = {name: value for name, value in given.items() if name not in values}
    assert for_template(template, given, fields=("seed", "top_k")) == (values, rest)


def test_tool_calls_are_given_with_their_arguments_as_objects() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
    messages = [
        {"role": "user", "content": "Time?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "name": "clock", "content": "noon"},
    ]
    template = (
        "{{ messages[1].tool_calls[0].function.arguments.zone }} {{ messages[2].tool_call_id }} "
        "{{ messages[2].name }}"
    )
    assert render(template, messages) == "UTC c1 clock"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('Only user and assistant, please.') }}", "Only user and assistant, please"),
        (f"{{{{ raise_exception('{'x' * 400}') }}}}", "x" * 300),
        ("{{ raise_exception('') }}", "TemplateError"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "it is nested too deeply"),
    ],
)
def test_why_a_template_fails_is_told(template: str, message: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        render(template)
    assert caught.value.message == f"The chat template failed: {message}."


@pytest.mark.parametrize(
    "template", ["{% for %}", "{{ (((", "{{ " + "(" * 5000 + ")" * 5000 + " }}", "{% foo %}"]
)
def test_what_is_no_template_is_refused_when_it_is_registered(template: str) -> None:
    with pytest.raises(BadRequestError, match="chat template"):
        register_prompt_template("owner/name", chat_template=template)


def test_where_a_template_cannot_be_read_is_told() -> None:
    with pytest.raises(BadRequestError) as caught:
        make_template(None, chat_template="{% if tools %}\n{{ tools }}\n{% endfor %}")
    message = caught.value.message
    assert message.startswith("The chat template cannot be read: ") and message.endswith(" (line 3).")
    long = "x" * 400
    with pytest.raises(BadRequestError, match=r"^The chat template cannot be read: .{300} \(line 1\)\.$"):
        make_template(None, chat_template=f"{{% {long} %}}")


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages | map(attribute='__class__') | list }}",
        "{{ messages[0]['__class__'].__init__ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ '{0.__class__}'.format(messages) }}",
        "{{ ('{0.__class__}' | string).format_map({}) }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'x'}) }}",
        "{{ messages | attr('__class__') }}",
        "{{ range.mro() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler }}{{ undefined_function() }}",
    ],
)
def test_what_a_template_may_not_touch_it_does_not_reach(template: str) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    try:
        reached = render(template, messages)
    except BadRequestError as error:
        assert "The chat template" in error.message
        reached = ""
    assert reached in ("", "[Undefined]")
    assert messages == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% set x = range(99999) | map('string') | list | sort %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(40) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
        "{% for x in [[]] recursive %}{{ loop([[], []]) }}{% endfor %}",
        "{{ range(10 ** 9) | list }}",
        "{{ 'a' * 10 ** 9 }}",
        "{{ [messages] * 10 ** 9 }}",
        "{{ 9 ** 99999999 }}",
    ],
)
def test_a_template_that_never_ends_or_grows_without_end_is_stopped(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jinja, "MAX_SECONDS", 0.2)
    with quickly(), pytest.raises(BadRequestError, match="The chat template"):
        render(template)


def test_many_pieces_together_are_not_more_than_one_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jinja, "MAX_CHARACTERS", 1000)
    template = "{% for n in range(count) %}0123456789{% endfor %}"
    assert len(render(template.replace("count", "100"))) == 1000
    with pytest.raises(BadRequestError, match="it makes a text of more than 1,000 characters"):
        render(template.replace("count", "101"))


def test_a_long_conversation_is_within_bounds() -> None:
    messages = [{"role": "user", "content": "x" * 1000}] * 10_000
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}"
    assert len(render(template, messages)) == 10_000 * 1006


def test_without_jinja_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2.sandbox", None)
    jinja._environment.cache_clear()
    with pytest.raises(BadRequestError, match=r"pip install 'areplicate\[templates\]'"):
        register_prompt_template("owner/name", chat_template="{{ 'never compiled before' }}")
    jinja._environment.cache_clear()


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m.content.replace('i', 'o') }};{% endfor %}",
        "{% for m in messages %}{% if m.role == 'user' %}{{ m['content'].strip().replace('B', 'b') }}{% endif %}{% endfor %}",
        "{% block all %}{{ messages[1].content.replace(' ', '').split('H')[-1] }}{% endblock %}",
    ],
)
def test_methods_of_strings_work_everywhere(template: str) -> None:
    assert render(template)


def test_a_token_that_a_template_names_must_be_given() -> None:
    template = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    with pytest.raises(BadRequestError) as caught:
        register_prompt_template("owner/name", chat_template=template)
    assert caught.value.message == (
        "The chat template needs bos_token: give bos_token=..., as it stands in the model's tokenizer_config.json, "
        "or bos_token=None if the model has none; or give that file as tokenizer_config=..."
    )
    with pytest.raises(BadRequestError, match=r"needs eos_token: give eos_token="):
        register_prompt_template("owner/name", chat_template=template, bos_token="<s>")
    register_prompt_template("owner/name", chat_template=template, bos_token=None, eos_token="</s>")
    assert prompt_of("owner/name", [{"role": "user", "content": "Hi"}]) == "Hi</s>"


def test_a_token_that_a_template_sets_itself_need_not_be_given() -> None:
    template = "{% set eos_token = '!' %}{{ messages[0].content }}{{ eos_token }}"
    assert make_template(None, chat_template=template).render([{"role": "user", "content": "Hi"}]) == "Hi!"


CONFIG: dict[str, Any] = {
    "bos_token": {"__type": "AddedToken", "content": "<s>"},
    "eos_token": "</s>",
    "chat_template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
}
HI = [{"role": "user", "content": "Hi"}]


def registered(config: Any, **more: Any) -> str:
    register_prompt_template("owner/name", tokenizer_config=config, **more)
    return prompt_of("owner/name", HI)


def test_a_tokenizer_config_is_taken_whole(tmp_path: Path) -> None:
    assert registered(CONFIG) == "<s>Hi</s>"
    assert registered(CONFIG, bos_token=None) == "Hi</s>"
    assert registered(CONFIG, eos_token="!") == "<s>Hi!"
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(CONFIG))
    assert registered(path) == registered(str(path)) == registered(tmp_path) == "<s>Hi</s>"
    path.write_text(json.dumps({name: CONFIG[name] for name in ("bos_token", "eos_token")}))
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}{{ eos_token }}")
    assert registered(tmp_path) == "Hi</s>"
    path.write_text(json.dumps(CONFIG))
    assert registered(tmp_path) == registered(path) == "Hi</s>", "the file beside counts more"
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tool_use.jinja").write_text("{{ tools | length }} tool")
    assert registered(tmp_path) == "Hi</s>"
    template = registered_template("owner/name")
    assert template is not None and template.render(HI, [{"function": {"name": "f"}}]) == "1 tool"


def test_a_tokenizer_with_several_templates() -> None:
    templates = [
        {"name": "tool_use", "template": "{{ tools | length }}"},
        {"name": "default", "template": "plain"},
    ]
    register_prompt_template("owner/name", tokenizer_config={**CONFIG, "chat_template": templates})
    template = registered_template("owner/name")
    assert template is not None
    assert template.render(HI) == "plain"
    assert template.render(HI, [{"type": "function", "function": {"name": "f"}}]) == "1"


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({}, "has no chat_template"),
        ("/nowhere/tokenizer_config.json", "cannot be read"),
        ({"chat_template": "{% for %}"}, "cannot be read"),
        ({"chat_template": "\ud800"}, "tokenizer_config has text that is not valid Unicode"),
    ],
)
def test_what_is_wrong_with_a_tokenizer_config_is_said(config: Any, complaint: str) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        register_prompt_template("owner/name", tokenizer_config=config)


def test_a_tokenizer_config_is_an_object(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer_config.json"
    path.write_text("[]")
    with pytest.raises(BadRequestError, match=f"tokenizer_config: {path} is not a JSON object: Expected"):
        register_prompt_template("owner/name", tokenizer_config=path)


def test_an_answer_that_was_begun_is_continued() -> None:
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}[/]{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    begun = [*HI, {"role": "assistant", "content": "Hel"}]
    assert render(template, begun) == "[user]Hi[/][assistant]Hel"
    assert render(template.replace("m.content", "m.content | trim"), begun) == "[user]Hi[/][assistant]Hel"
    begun[-1]["content"] = "Hel "
    assert render(template, begun) == "[user]Hi[/][assistant]Hel "
    assert render(template.replace("m.content", "m.content | trim"), begun) == "[user]Hi[/][assistant]Hel"
    begun = [{"role": "user", "content": "What is CONTINUE_FINAL_MESSAGE ?"}, *HI, *begun[1:]]
    assert render(template, begun) == "[user]What is CONTINUE_FINAL_MESSAGE ?[/][user]Hi[/][assistant]Hel "
    with pytest.raises(BadRequestError) as caught:
        render("{{ messages[0].content[:4] }}", begun)
    assert caught.value.message == (
        "The chat template leaves out the assistant's last message, so it cannot be continued: "
        "end the conversation with a user's message."
    )


def test_arguments_are_text_for_templates_that_take_them_so() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
    messages = [*HI, {"role": "assistant", "content": "", "tool_calls": [call]}]
    template = "{{ '```' + messages[1].tool_calls[0].function.arguments }}"
    assert render(template, messages) == '```{"zone": "UTC"}'
    call["function"] = {"name": "clock", "arguments": {"zone": "é"}}
    assert render(template, messages) == '```{"zone": "é"}'


@pytest.mark.parametrize(
    ("value", "written", "text"),
    [
        ("{'b': 'é', 'a': '<'}", "tojson", '{"b": "é", "a": "<"}'),
        ("{'b': 1, 'a': 2}", "tojson(sort_keys=true)", '{"a": 2, "b": 1}'),
        ("['é']", "tojson(ensure_ascii=true)", '["\\u00e9"]'),
        ("[1]", "tojson(indent=2)", "[\n  1\n]"),
        ("{'a': [1, 2]}", "tojson(separators=(',', ':'))", '{"a":[1,2]}'),
    ],
)
def test_json_is_written_as_tokenizers_templates_write_it(value: str, written: str, text: str) -> None:
    assert render(f"{{% set value = {value} %}}{{{{ value | {written} }}}}", HI) == text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("'ab' * n", "ababab"),
        ("n * 'ab'", "ababab"),
        ("2 ** 10 * n", "3072"),
        ("n * 1000000000", "3000000000"),
        ("1.5 * n", "4.5"),
        ("n * 1.5", "4.5"),
    ],
)
def test_products_of_a_bearable_size_are_made(expression: str, text: str) -> None:
    assert render(f"{{% set n = 3 %}}{{{{ {expression} }}}}", HI) == text


@pytest.mark.parametrize(
    "expression", ["'ab' * 99999999", "99999999 * 'ab'", "[1] * 99999999", "9 ** 99999999"]
)
def test_products_of_any_other_are_not(expression: str) -> None:
    with pytest.raises(BadRequestError, match="it makes a text of more than [0-9,]+ characters"):
        render(f"{{{{ ({expression}) is none }}}}", HI)


def test_a_tokenizer_s_only_template_is_its_default_by_any_name() -> None:
    templates = [{"name": "rag", "template": "{{ messages[0].content }}!"}, {"name": "broken"}, "odd"]
    assert registered({**CONFIG, "chat_template": templates}) == "Hi!"
