"""`areplicate models`: lists, searches and shows models."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.table import Table
from rich.text import Text

from .terminal import console, table

if TYPE_CHECKING:
    from ..chat.plan import Plan
    from ..chat.schemas.schema import Field, ModelSchema
    from ..router import AsyncRouter

T = TypeVar("T")

_SAMPLE = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who left Troy?"},
    {"role": "assistant", "content": "Odysseus."},
    {"role": "user", "content": "And who waited?"},
]

_api_base = click.option("--api-base", help="Where the API is, such as http://127.0.0.1:4100/v1.")


@click.group()
def models() -> None:
    """What models take, and how areplicate speaks to them."""


@models.command("list")
@click.option("--search", default="", metavar="TEXT", help="Only models whose name contains TEXT.")
def list_models(search: str) -> None:
    """The models whose inputs are known without asking Replicate; any other works as well."""
    from ..chat.plan import plan_for
    from ..chat.schemas import catalogue

    found = table("model", "format", "conversation", "media")
    for name in catalogue.names():
        if search.lower() in name.lower():
            plan = plan_for(catalogue.find(name), name)
            kinds = {*plan.media.single, *plan.media.lists}
            found.add_row(name, plan.format.family, _conversation(plan)[0], ", ".join(sorted(kinds)))
    if not found.row_count:
        raise click.ClickException(
            f"No model in the catalogue has {search!r} in its name. Others are looked up when they are "
            "called: try areplicate models show OWNER/NAME."
        )
    console().print(found)


@models.command("search")
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 50), help="The most models.")
@_api_base
def search_models(words: tuple[str, ...], limit: int, api_base: str | None) -> None:
    """Search Replicate's models for WORDS. This needs a key."""
    query = " ".join(words)
    hits = _asked(lambda router: router.search_models(query, limit), api_base)
    if not hits:
        raise click.ClickException(f"Replicate finds no model for {query!r}.")
    found = table("model", "runs", "what it is")
    for model in hits:
        found.add_row(f"{model.owner}/{model.name}", f"{model.run_count or 0:,}", model.description or "")
    console().print(found)


@models.command("show")
@click.argument("model", metavar="OWNER/NAME")
@_api_base
def show_model(model: str, api_base: str | None) -> None:
    """What a model takes: its inputs, where OpenAI's parameters go, how a conversation is sent and read.

    A model that is not in the catalogue is looked up at Replicate, which needs a key. OWNER/NAME:VERSION
    and deployments/OWNER/NAME work too.
    """
    from ..chat.plan import plan_for

    schema = _schema_of(model, api_base)
    if schema is None:
        raise click.ClickException(
            f"The inputs of {model} could not be looked up: it does not exist, the key may not see it, or it does "
            f"not publish them. `areplicate -v models show {model}` tells which."
        )
    plan = plan_for(schema, schema.model)
    out = console()
    out.print(Text(schema.model or model, "bold"), schema.version or "")
    out.print("", _inputs(schema), "", _parameters(plan), _missing(plan), sep="\n")
    out.print(f"\n{_conversation(plan)[1]}")
    out.print_json(_sample(plan, schema))
    out.print(_format(plan))
    if (text := _effective(plan)) is not None:
        out.print("The model reads:\n")
        out.print(text, soft_wrap=True)


def _schema_of(model: str, api_base: str | None) -> ModelSchema | None:
    """From the catalogue, which needs no key; else looked up."""
    from ..chat.schemas import catalogue
    from ..schema_lookup.endpoint import endpoint_of
    from ..schema_lookup.store import SchemaStore

    if known := catalogue.find(model) or SchemaStore().known(endpoint_of(model)):
        return known
    return _asked(lambda router: router.schema_of(model), api_base)


def _asked(question: Callable[[AsyncRouter], Awaitable[T]], api_base: str | None) -> T:
    """What a router says. It takes a while to import, and the catalogue needs none."""
    from ..router import AsyncRouter
    from .signals import run

    async def ask() -> T:
        async with AsyncRouter(api_base=api_base) as router:
            return await question(router)

    return run(ask)


def _inputs(schema: ModelSchema) -> Table:
    inputs = table("input", "type", "takes", "default")
    for name, field in schema.fields.items():
        required = Text("*", "red") if name in schema.required else ""
        default = "" if field.default is None else json.dumps(field.default, ensure_ascii=False)
        inputs.add_row(Text.assemble(name, required), _type(field), _takes(field), default)
    if schema.required:
        inputs.caption = Text.assemble(("*", "red"), " must be given")
    return inputs


def _type(field: Field) -> str:
    kind = f"{field.items}[]" if field.type == "array" else field.type
    return f"{kind} (URL)" if field.media else kind


def _takes(field: Field) -> str:
    return field.bounds if field.enum is None else ", ".join(map(str, field.enum))


def _parameters(plan: Plan) -> Table:
    """Where OpenAI's parameters, and the media in messages, go."""
    parameters = table("OpenAI's", "goes into")
    for name, targets in plan.targets.items():
        if targets:
            parameters.add_row(name, ", ".join(targets))
    for kind in ("image", "audio", "video", "file"):
        if inputs := [*plan.media.single.get(kind, ()), *filter(None, [plan.media.lists.get(kind)])]:
            parameters.add_row(f"{kind} parts", ", ".join(inputs))
    return parameters


def _missing(plan: Plan) -> str:
    dropped = ("max_tokens", "temperature", "top_p", "reasoning_effort")
    ways = {
        dropped: "drop_params=True leaves them out",
        ("tools", "response_format"): "the prompt explains them",
        ("stop",): "the answer is cut there",
    }
    missing = {way: [name for name in names if not plan.targets[name]] for names, way in ways.items()}
    return "\n".join(f"No input for {', '.join(names)}: {way}." for way, names in missing.items() if names)


def _conversation(plan: Plan) -> tuple[str, str]:
    """How a conversation goes in: in a few words, and in full."""
    prompt, system, switch = plan.prompt, plan.system, plan.format.switch_off
    if plan.messages is not None:
        explained = f"A conversation goes into {plan.messages}, as OpenAI's messages. For example:"
        return f"messages in {plan.messages}", explained
    if prompt is None:
        return "none", "It has no input for a conversation."
    if plan.format.wraps:
        beside = f" System text goes into {system}." if system else ""
        return f"{prompt} + {system}" if system else f"{prompt}, formatted by the server", (
            f"The server writes its own format around {prompt}: one turn goes as it is, several so that the whole is "
            f"a conversation.{beside} For example:"
        )
    off = f' The server\'s own is switched off with {switch} "{{prompt}}".' if switch else ""
    explained = f"A conversation goes into {prompt}, in the {plan.format.family} format.{off} For example:"
    return f"formatted in {prompt}", explained


def _format(plan: Plan) -> Text:
    """The chat format, and what decided it."""
    format, context = plan.format, ""
    if plan.context is not None:
        context = f" It reads {plan.context:,} tokens at once."
    return Text.assemble(
        "\nIts chat format: ", (format.family, "bold"), f", decided by {format.by}.{context}"
    )


def _effective(plan: Plan) -> str | None:
    """The sample conversation as the model reads it; None if only its server knows that."""
    if plan.messages is not None or plan.prompt is None:
        return None
    if plan.format.wraps and plan.format.family in ("plain", "closed", "its own"):
        return None
    return plan.format.template.render(_SAMPLE)


def _sample(plan: Plan, schema: ModelSchema) -> str:
    """The input for a short conversation, with a value in every other input that the model requires."""
    from ..chat.inputs import build_input

    conversation = (plan.prompt, plan.system, plan.messages)
    given = {name: _something(schema.fields[name]) for name in schema.required if name not in conversation}
    if plan.prompt is None and plan.messages is None:
        return json.dumps(given)
    return json.dumps(build_input(_SAMPLE, given, model=schema.model, schema=schema).fields)


def _something(field: Field) -> Any:
    if field.enum is not None:
        return field.enum[0]
    if field.type in ("integer", "number"):
        return field.minimum if field.minimum is not None else 1
    text = "https://example.com/cat.png" if field.media else "..."
    return {"boolean": True, "array": [text], "object": {}}.get(field.type, text)
