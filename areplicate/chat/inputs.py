"""From a chat completion's messages and parameters to a model's `input`."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from ..errors import BadRequestError
from ..logs import logger
from .channels import OPENS
from .conversation import Prompting, conversation_fields
from .media import MediaSlot, media_inputs, named_media
from .messages import InputMessage, read_messages
from .outputs import THOUGHTS
from .params import ALIASES, INFORMATIONAL, OWN, PARAMS, SYNONYMS, TOKEN_LIMIT, Param, changes_nothing
from .plan import Plan, plan_for
from .schemas.schema import Field, ModelSchema
from .schemas.values import AskedModel, fit, sendable, unsupported
from .usage import CHARACTERS_PER_TOKEN, characters

_ANY = Field()
_media_of = attrgetter("media")
THOUGHT_MARKS = (*[mark for mark in THOUGHTS if not mark[0].isalpha()], OPENS)
"""What opens a thought at a prompt's end; words alone may be the question's own."""
_END = 100
"""Characters at a prompt's end among which its last mark is, if white space follows it."""
_AS_THE_MODEL_SAYS = Prompting()


class ModelInput(msgspec.Struct, frozen=True):
    """The `input` of a prediction.

    Attributes:
        fields: the inputs by name, ready to be sent where `media` is empty.
        media: files that must be read, and large data that must be uploaded, first:
            `areplicate.calls.attachments.attach` does.
        max_tokens: the most tokens that the answer may have, if the call said so.
        thought: the mark that has opened a thought (or gpt-oss's channels) at the prompt's end, with which the answer
            goes on.
    """

    fields: dict[str, Any]
    media: tuple[MediaSlot, ...] = ()
    max_tokens: int | None = None
    thought: str = ""


def build_input(
    messages: Any,
    params: Mapping[str, Any],
    *,
    model: str | None,
    schema: ModelSchema | None = None,
    prompting: Prompting = _AS_THE_MODEL_SAYS,
    drop_params: bool = False,
    allow_files: bool = False,
) -> ModelInput:
    """The input of a prediction that answers a conversation.

    Args:
        messages: OpenAI's messages.
        params: OpenAI's chat parameters and the model's own inputs by name; None means not given. The
            model's own are sent as they are, and count more than what OpenAI's would be mapped to.
            Media among them may be paths, bytes or open files.
        model: the model string, for its family.
        schema: what the model takes; without it, the names that most models use.
        prompting: how the prompt is written, where the call says so.
        drop_params: what the model does not take is left out, and numbers outside its bounds are
            moved to the nearest, instead of an error.
        allow_files: media may be paths on this machine. Only for a caller who owns the machine.

    Raises:
        BadRequestError: something is wrong with the messages or a value.
        UnsupportedParamsError: the model has no input for one of OpenAI's parameters.
    """
    settings = read_settings(params, plan_for(schema, model), AskedModel(model, drop_params), allow_files)
    return input_of(messages, settings, prompting)


class Settings(msgspec.Struct, frozen=True):
    """What goes into the inputs of one model besides the conversation.

    Attributes:
        given: the parameters as they were given, without those that are None.
        fields: the inputs that they make.
        media: those that must be read or uploaded first.
    """

    plan: Plan
    asked: AskedModel
    allow_files: bool
    given: dict[str, Any]
    fields: dict[str, Any]
    media: tuple[MediaSlot, ...] = ()


def read_settings(params: Mapping[str, Any], plan: Plan, asked: AskedModel, allow_files: bool) -> Settings:
    """A call's parameters as inputs of its model, as `build_input` takes them."""
    given = {name: value for name, value in params.items() if value is not None}
    fields: dict[str, Any] = {}
    media = _Inputs(fields, plan, asked).add(given, allow_files)
    return Settings(plan, asked, allow_files, given, fields, media)


def input_of(messages: Any, settings: Settings, prompting: Prompting = _AS_THE_MODEL_SAYS) -> ModelInput:
    """`build_input` with parameters that were read already."""
    turns = read_messages(messages)
    plan, asked = settings.plan, settings.asked
    template = prompting.template
    if template is not None and template.is_tokens_alone:
        prompting = msgspec.structs.replace(prompting, template=plan.format.opened_by(template))
    has_media = any(map(_media_of, turns))
    fields = conversation_fields(turns, plan, prompting, settings.given, has_media)
    slots = settings.media
    if has_media:
        placed, found = media_inputs(turns, plan, asked, allow_files=settings.allow_files)
        fields.update(placed)
        slots = found + slots
    fields.update(settings.fields)
    if plan.schema is not None:
        _check(fields, plan, plan.schema, asked)
    if plan.context is not None:
        _warn_of_length(fields, plan, plan.context, asked)
    begun = _thought_begun(fields.get(plan.prompt or ""), turns) if writes_format(plan, prompting) else ""
    return ModelInput(fields, slots, _limit(fields, plan), begun)


def writes_format(plan: Plan, prompting: Prompting) -> bool:
    """Whether a prompt is sent in the model's chat format, which its server does not write then."""
    return prompting.template is not None or not plan.format.wraps


def _thought_begun(prompt: Any, turns: tuple[InputMessage, ...]) -> str:
    """The mark of the thought or of the channels within which a prompt ends: the model's format opens it, or the
    answer that is continued."""
    if not isinstance(prompt, str):
        return ""
    if turns[-1].role == "assistant":
        said = turns[-1].text
        return next((mark for mark, close in THOUGHTS.items() if said.rfind(mark) > said.rfind(close)), "")
    end = prompt[-_END:].rstrip()
    return next(filter(end.endswith, THOUGHT_MARKS)) if end.endswith(THOUGHT_MARKS) else ""


def answer_limit(params: Mapping[str, Any], *, model: str, schema: ModelSchema) -> int | None:
    """The most tokens that a model writes: the limit that is sent to it, else its own default; None if it has neither.

    It may have no input for the limit in the parameters, or one with bounds into which the limit is moved.
    """
    limits = {name: params.get(name) for name in TOKEN_LIMIT}
    try:
        fields = fields_of(limits, model=model, schema=schema)
    except BadRequestError:
        return None
    plan = plan_for(schema, model)
    defaults = {name: schema.fields[name].default for name in plan.limits if name in schema.fields}
    return _limit(fields, plan) or _limit(defaults, plan)


def fields_of(params: Mapping[str, Any], *, model: str, schema: ModelSchema | None) -> dict[str, Any]:
    """The inputs that parameters make, without what the model does not take.

    Raises:
        BadRequestError: a value cannot be sent, such as one of the wrong type.
    """
    return read_settings(params, plan_for(schema, model), AskedModel(model, drop_params=True), False).fields


class _Inputs(msgspec.Struct):
    """The inputs that a call's parameters make."""

    _fields: dict[str, Any]
    _plan: Plan
    _asked: AskedModel

    def add(self, given: dict[str, Any], allow_files: bool) -> tuple[MediaSlot, ...]:
        """Adds the parameters: OpenAI's first, so that the model's own win. Gives the media still to be read."""
        own: list[tuple[str, Any]] = []
        for name, value in given.items():
            if name not in PARAMS:
                own.append((name, value))
            elif name != "max_tokens" or given.get("max_completion_tokens") is None:  # its newer name
                self._add_mapped(name, value, PARAMS[name], self._plan.targets[name])
        slots: tuple[MediaSlot, ...] = ()
        for name, value in own:
            if (media := named_media(name, value, self._plan, self._asked, allow_files)) is not None:
                self._fields[name], more = media
                slots += more
            elif name in SYNONYMS:
                self._add_synonym(name, value)
            else:
                self._add_own(name, value)
        return slots

    def _add_synonym(self, name: str, value: Any) -> None:
        """Adds one of OpenAI's parameters that was given under some model's name for it."""
        openai = SYNONYMS[name]
        if not self._plan.takes(name):
            if openai == "stop" and isinstance(value, str):
                value = value.split(",")  # as the models that have this name take it
            self._add_mapped(name, value, PARAMS[openai], self._plan.targets[openai])
        elif isinstance(value, list):
            self._add_mapped(name, value, PARAMS[openai], (name,))
        else:
            self._add_own(name, value)

    def _add_mapped(self, name: str, value: Any, param: Param, targets: tuple[str, ...]) -> None:
        """Adds one of OpenAI's parameters under the model's names for it."""
        if not targets:
            if changes_nothing(param, value):
                return
            self._converted(name, value, param, param.takes)
            unsupported(name, self._why_not(name), self._asked)
        try:
            for target in targets:
                shown = name if name == target else f"{name} ({target})"
                field = self._plan.fields.get(target) or param.takes
                if (converted := self._converted(shown, value, param, field)) is not None:
                    self._fields[target] = converted
        except BadRequestError as error:
            error.param = name  # its message has the model's name for it, too
            raise

    def _why_not(self, name: str) -> str:
        if self._plan.schema is not None:
            return f"{self._asked.who} has no input for it"
        return (
            f"the inputs of {self._asked.who} could not be looked up, so it may not take this; "
            f"extra_body={{{name!r}: ...}} sends it under this name"
        )

    def _converted(self, name: str, value: Any, param: Param, field: Field) -> Any:
        if param.convert is not None:
            value = param.convert(name, value, field, self._asked)
        return None if value is None else fit(name, value, field, self._asked)

    def _add_own(self, name: str, value: Any) -> None:
        """Adds a parameter of the model's own, by its name there or another model's."""
        fields = self._plan.fields
        if name not in fields:
            if name in INFORMATIONAL:
                return
            name = next((alias for alias in ALIASES.get(name, ()) if alias in fields), name)
        field = fields.get(name) or OWN.get(name, _ANY)
        value = fit(name, sendable(name, value, self._asked), field, self._asked)
        if value is not None:
            self._fields[name] = value


def _check(fields: dict[str, Any], plan: Plan, schema: ModelSchema, asked: AskedModel) -> None:
    """Raises `BadRequestError` if a required input is missing, or the prompt is too short or too long."""
    for name in schema.required:
        if name not in fields:
            raise asked.refusal(name, f"{asked.who} needs the input {name}{_how_to_give(name, plan)}.")
    prompt = plan.prompt
    if prompt in fields:
        field = schema.fields[prompt]
        if field.max_length is not None or field.min_length is not None:
            fit(prompt, fields[prompt], field, asked)


def _warn_of_length(fields: dict[str, Any], plan: Plan, context: int, asked: AskedModel) -> None:
    """Warns of a text that is longer than the model's context: the model may cut it off without a word."""
    texts = [fields.get(name) for name in (plan.prompt, plan.system) if name is not None]
    messages = fields.get(plan.messages or "")
    if isinstance(messages, list):
        texts += [message.get("content") for message in messages if isinstance(message, dict)]
    # Other languages than English, and code, have fewer characters a token: a warning is never too early.
    tokens = characters(texts) // CHARACTERS_PER_TOKEN
    if tokens > context:
        logger.warning(
            "%s reads %d tokens at once, and the text has about %d: the model may not see all of it. "
            "Shorten the conversation or choose a model with a longer context.",
            asked.who,
            context,
            tokens,
        )


def _how_to_give(name: str, plan: Plan) -> str:
    for kind, names in plan.media.single.items():
        if name in names:
            return f": add a content part with {'an' if kind[0] in 'ai' else 'a'} {kind}, or give {name}=..."
    return f": give {name}=..."


def _limit(fields: dict[str, Any], plan: Plan) -> int | None:
    for name in plan.limits:
        value = fields.get(name)
        if type(value) is int and value > 0:
            return value
    return None
