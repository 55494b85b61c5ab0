"""How each kind of format defines a tool that has everything a schema may have."""
# ruff: noqa: W291 - the models' templates leave white space at the end of lines

from __future__ import annotations

import json
from typing import Any

import pytest

from areplicate.chat.formats.definitions import WRITERS

PARAMETERS = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "description": "The day"},
        "place": {"type": "string", "enum": ["in", "out"]},
        "guests": {"type": "array", "items": {"type": "string"}, "description": "Their names"},
        "count": {"type": "integer"},
        "price": {"type": "number", "minimum": 0},
        "more": {"type": "object", "properties": {"b": {"type": "boolean"}, "a": {"type": "null"}}},
        "any": {},
    },
    "required": ["day", "count"],
}
BOOK = {
    "type": "function",
    "function": {"name": "book", "description": "Books a table.", "parameters": PARAMETERS},
}
NOW: Any = {
    "type": "function",
    "function": {"name": "now", "parameters": {"type": "object", "properties": {}}},
}
LIST = {"name": "list", "parameters": {"properties": {"of": {"type": "array"}}}}
RESERVE = {
    "name": "reserve",
    "description": "Reserves a table.",
    "parameters": {
        "type": "object",
        "properties": {
            "guests": {
                "type": "array",
                "description": "Who comes",
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}},
                    "required": ["name"],
                },
            },
            "area": {"type": "string", "nullable": True, "enum": ["in", "out"], "description": "Where"},
            "wishes": {
                "type": "object",
                "description": "What else",
                "required": ["cake"],
                "properties": {"cake": {"type": "boolean"}, "age": {"type": "integer"}},
            },
        },
        "required": ["guests"],
    },
}

PYTHON = '''```python
def book(day: str, place: Optional[str] = None, guests: Optional[Any] = None, count: int, \
price: Optional[float] = None, more: Optional[Any] = None, any: Optional[Any] = None) -> List[Dict]:
    """Books a table.

    Args:
        day (str): The day
        place (Optional[str]): 
        guests (Optional[Any]): Their names
        count (int): 
        price (Optional[float]): 
        more (Optional[Any]): 
        any (Optional[Any]): 
    """
    pass
```'''
NOW_IN_PYTHON = '''```python
def now() -> List[Dict]:
    """
    """
    pass
```'''
XML = """<function>
<name>book</name>
<description>Books a table.</description>
<parameters>
<parameter>
<name>day</name>
<type>string</type>
<description>The day</description>
</parameter>
<parameter>
<name>place</name>
<type>string</type>
<enum>['in', 'out']</enum>
</parameter>
<parameter>
<name>guests</name>
<type>array</type>
<description>Their names</description>
<items>{"type": "string"}</items>
</parameter>
<parameter>
<name>count</name>
<type>integer</type>
</parameter>
<parameter>
<name>price</name>
<type>number</type>
<minimum>0</minimum>
</parameter>
<parameter>
<name>more</name>
<type>object</type>
<properties>{"b": {"type": "boolean"}, "a": {"type": "null"}}</properties>
</parameter>
<parameter>
<name>any</name>
</parameter>
<required>['day', 'count']</required>
</parameters>
</function>"""
NOW_IN_XML = "<function>\n<name>now</name>\n<parameters>\n</parameters>\n</function>"
DOCSTRING = '''Function:
def book(day: str,place: str,guests: list,count: int,price: int,more: Any,any: Any):
    """
    Books a table.

    Args:
    - day (str) [必填]: The day
    - place (str) [选填]: 
    - guests (list) [选填]: Their names
    - count (int) [必填]: 
    - price (int) [选填]: 
    - more (Any) [选填]: 
    - any (Any) [选填]: 

    """'''
TYPESCRIPT = """// Books a table.
type book = (_: {
// The day
day: string,
place?: "in" | "out",
// Their names
guests?: string[],
count: number,
price?: number,
more?: {
b?: 
                boolean, a?: 
                null},
any?: any,
}) => any;"""
RESERVE_IN_TYPESCRIPT = """// Reserves a table.
type reserve = (_: {
// Who comes
guests: {
name: 
                string}[],
// Where
area?: "in" | "out",
// What else
wishes?: {
cake: 
                boolean, age?: 
                number},
}) => any;"""
RESERVE_DECLARED = (
    '<|tool>declaration:reserve{description:<|"|>Reserves a table.<|"|>,parameters:{properties:{'
    'area:{description:<|"|>Where<|"|>,enum:[<|"|>in<|"|>,<|"|>out<|"|>],nullable:true,type:<|"|>STRING<|"|>},'
    'guests:{description:<|"|>Who comes<|"|>,items:{properties:{name:{type:<|"|>STRING<|"|>}},'
    'required:[<|"|>name<|"|>],type:<|"|>OBJECT<|"|>},type:<|"|>ARRAY<|"|>},'
    'wishes:{description:<|"|>What else<|"|>,properties:{age:{type:<|"|>INTEGER<|"|>},'
    'cake:{type:<|"|>BOOLEAN<|"|>}},required:[<|"|>cake<|"|>],type:<|"|>OBJECT<|"|>}},'
    'required:[<|"|>guests<|"|>],type:<|"|>OBJECT<|"|>}}<tool|>'
)
"""These two are what the published templates of gpt-oss and Gemma 4 write."""
DECLARATION = (
    '<|tool>declaration:book{description:<|"|>Books a table.<|"|>,parameters:{properties:{any:{},'
    'count:{type:<|"|>INTEGER<|"|>},day:{description:<|"|>The day<|"|>,type:<|"|>STRING<|"|>},'
    'guests:{description:<|"|>Their names<|"|>,items:{type:<|"|>STRING<|"|>},type:<|"|>ARRAY<|"|>},'
    'more:{properties:{a:{type:<|"|>NULL<|"|>},b:{type:<|"|>BOOLEAN<|"|>}},type:<|"|>OBJECT<|"|>},'
    'place:{enum:[<|"|>in<|"|>,<|"|>out<|"|>],type:<|"|>STRING<|"|>},price:{minimum:0,type:<|"|>NUMBER<|"|>}},'
    'required:[<|"|>day<|"|>,<|"|>count<|"|>],type:<|"|>OBJECT<|"|>}}<tool|>'
)


@pytest.mark.parametrize(
    ("writer", "tool", "written"),
    [
        ("python", BOOK, PYTHON),
        ("python", NOW, NOW_IN_PYTHON),
        ("xml", BOOK, XML),
        ("xml", NOW, NOW_IN_XML),
        ("docstring", BOOK, DOCSTRING),
        ("typescript", BOOK, TYPESCRIPT),
        ("typescript", NOW, "// \ntype now = () => any;"),
        ("typescript", LIST, "// \ntype list = (_: {\nof?: any[],\n}) => any;"),
        ("typescript", RESERVE, RESERVE_IN_TYPESCRIPT),
        ("declaration", BOOK, DECLARATION),
        ("declaration", RESERVE, RESERVE_DECLARED),
        (
            "declaration",
            NOW,
            '<|tool>declaration:now{description:<|"|><|"|>,parameters:{type:<|"|>OBJECT<|"|>}}<tool|>',
        ),
        (
            "headed",
            BOOK,
            f"### book\nDescription: Books a table.\n\nParameters: {json.dumps(PARAMETERS)}",
        ),
        (
            "declaration",
            {"name": "f", "parameters": {"type": "array", "uniqueItems": True}},
            '<|tool>declaration:f{description:<|"|><|"|>,parameters:{uniqueItems:true,type:<|"|>ARRAY<|"|>}}<tool|>',
        ),
        ("declaration", {"name": "now"}, '<|tool>declaration:now{description:<|"|><|"|>}<tool|>'),
        ("docstring", NOW, 'Function:\ndef now():\n    """\n    \n\n\n\n    """'),
        ("headed", {"name": "now"}, "### now\nDescription: \n\nParameters: {}"),
    ],
)
def test_a_definition_is_what_the_models_were_trained_on(writer: str, tool: Any, written: str) -> None:
    assert WRITERS[writer](tool) == written


def test_nous_research_s_description_has_the_function_s_signature() -> None:
    description = (
        "book(day: str, place: str, guests: list[Union[]], count: int, price: float, more: dict, any: Union[]) "
        "- Books a table.\n\n    Args:\n        day(str): The day        place(str):         "
        "guests(list[Union[]]): Their names        count(int):         price(float):         more(dict):         "
        "any(Union[]): "
    )
    assert WRITERS["signature"](BOOK) == (
        f'{{"type": "function", "function": {{"name": "book", "description": "{description}", '
        f'"parameters": {json.dumps(PARAMETERS)}}}'
    )
    assert '"description": "now() - \n\n", "parameters": {}}' in WRITERS["signature"](NOW)


@pytest.mark.parametrize("writer", ["json", "indented", "listed", "fenced"])
def test_a_definition_in_json_is_the_tool_itself(writer: str) -> None:
    written = WRITERS[writer](BOOK).strip().removeprefix("```json").removesuffix("```")
    assert json.loads(written) == BOOK


@pytest.mark.parametrize("writer", ["function", "indented function"])
def test_a_definition_in_json_may_be_the_function_alone(writer: str) -> None:
    assert json.loads(WRITERS[writer](BOOK)) == BOOK["function"]
    assert json.loads(WRITERS[writer]({"name": "now"})) == {"name": "now"}
