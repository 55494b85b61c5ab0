"""Any language model on Replicate as if it were OpenAI's chat API.

    from areplicate import acompletion, completion

    response = completion(model="replicate/meta/meta-llama-3-8b-instruct",
                          messages=[{"role": "user", "content": "Hello, how are you?"}])
    response.choices[0].message.content

The names below are imported when they are first used, so that `import areplicate` costs little.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import errors as exceptions
from .errors import AnswerMisfitError as AnswerMisfitError
from .errors import APIConnectionError as APIConnectionError
from .errors import APIError as APIError
from .errors import AreplicateWarning as AreplicateWarning
from .errors import AuthenticationError as AuthenticationError
from .errors import BadRequestError as BadRequestError
from .errors import ContextWindowExceededError as ContextWindowExceededError
from .errors import InsufficientCreditError as InsufficientCreditError
from .errors import InternalServerError as InternalServerError
from .errors import NotFoundError as NotFoundError
from .errors import PermissionDeniedError as PermissionDeniedError
from .errors import PredictionCanceledError as PredictionCanceledError
from .errors import PredictionFailedError as PredictionFailedError
from .errors import RateLimitError as RateLimitError
from .errors import ServiceUnavailableError as ServiceUnavailableError
from .errors import Timeout as Timeout
from .errors import UnsupportedParamsError as UnsupportedParamsError

__version__ = "0.1.0"

set_verbose = False
"""True logs each request as a curl command, the key masked, and each phase with its seconds."""

drop_params: bool | None = None
"""True leaves out what a model has no input for, in every call that does not say otherwise."""

api_key: str | None = None
"""The Replicate API token, if neither a call nor its router has one."""

api_base: str | None = None
"""Where the API is, if neither a call nor its router says so."""

num_retries: int | None = None
"""How often one HTTP request is tried again, if neither a call nor its router says so."""

request_timeout: Seconds | None = None
"""Seconds for one completion, if neither a call nor its router says so."""

_SWITCHES = ("set_verbose", "drop_params")
_SETTINGS = (*_SWITCHES, "api_key", "api_base", "num_retries", "request_timeout")
"""What is not a switch is checked by the call that uses it."""

_NAMES = {
    "completion": "acompletion aembedding aparse completion configure embedding map parse SyncCompletionStream",
    "router": "AsyncRouter",
    "calls.streams": "CompletionStream",
    "chat.chunks": "stream_to_completion",
    "chat.formats.templates": "register_prompt_template",
    "chat.responses": "Choices Delta Message ModelResponse ModelResponseChunk ModelResponseStream "
    "StreamingChoices Usage",
    "bulk.map": "MapResult",
    "replicate.progress": "Status",
    "integrations.litellm_names": "abatch_completion batch_completion completion_cost "
    "get_supported_openai_params Router stream_chunk_builder token_counter validate_environment",
}
"""The public names by their modules: a module is imported when the first of its names is used."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
_ERRORS = [
    name
    for name, value in vars(exceptions).items()
    if isinstance(value, type) and issubclass(value, Exception)
]

__all__ = ["__version__", "exceptions", *_SETTINGS, *_HOMES, *_ERRORS]

if TYPE_CHECKING:
    from .bulk.map import MapResult as MapResult
    from .calls.streams import CompletionStream as CompletionStream
    from .chat.chunks import stream_to_completion as stream_to_completion
    from .chat.formats.templates import register_prompt_template as register_prompt_template
    from .chat.responses import Choices as Choices
    from .chat.responses import Delta as Delta
    from .chat.responses import Message as Message
    from .chat.responses import ModelResponse as ModelResponse
    from .chat.responses import ModelResponseChunk as ModelResponseChunk
    from .chat.responses import ModelResponseStream as ModelResponseStream
    from .chat.responses import StreamingChoices as StreamingChoices
    from .chat.responses import Usage as Usage
    from .completion import SyncCompletionStream as SyncCompletionStream
    from .completion import acompletion as acompletion
    from .completion import aembedding as aembedding
    from .completion import aparse as aparse
    from .completion import completion as completion
    from .completion import configure as configure
    from .completion import embedding as embedding
    from .completion import map as map
    from .completion import parse as parse
    from .integrations.litellm_names import Router as Router
    from .integrations.litellm_names import abatch_completion as abatch_completion
    from .integrations.litellm_names import batch_completion as batch_completion
    from .integrations.litellm_names import completion_cost as completion_cost
    from .integrations.litellm_names import get_supported_openai_params as get_supported_openai_params
    from .integrations.litellm_names import stream_chunk_builder as stream_chunk_builder
    from .integrations.litellm_names import token_counter as token_counter
    from .integrations.litellm_names import validate_environment as validate_environment
    from .options.values import Seconds
    from .replicate.progress import Status as Status
    from .router import AsyncRouter as AsyncRouter


if not TYPE_CHECKING:  # a type checker knows the names above, and flags any other

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            return _of_other_packages(name)
        module = import_module(f".{home}", __name__)
        # All of a module's names at once: importing `.completion` binds that name to the module itself.
        globals().update({each: getattr(module, each) for each in _NAMES[home].split()})
        return globals()[name]


def _of_other_packages(name: str) -> Any:
    if not name.startswith("__"):
        from .integrations.absent_names import other_error

        if (error := other_error(name)) is not None:
            return error
    raise AttributeError(_absent(name))


def _absent(name: str) -> str:
    if name.startswith("__"):
        return f"module {__name__!r} has no attribute {name!r}"
    from .integrations.absent_names import absent

    return absent(name, __all__)


class _Package(ModuleType):
    """This module, on which nothing can be set that would change nothing."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOMES and isinstance(value, ModuleType):
            # Importing the module `completion` must not hide the function of that name.
            value = getattr(value, name)
        known = name in _SETTINGS or name in __all__ or name.startswith("_") or isinstance(value, ModuleType)
        if not known:
            raise AttributeError(_absent(name))
        if name in _SWITCHES and value not in (True, False, None):
            raise exceptions.BadRequestError(
                f"areplicate.{name} must be True or False, not {value!r}.", param=name
            )
        super().__setattr__(name, value)
        if name == "set_verbose":
            from .logs import set_verbose as show

            show(bool(value))


sys.modules[__name__].__class__ = _Package
sys.modules[f"{__name__}.exceptions"] = exceptions
"""The errors by LiteLLM's name for their module."""
exceptions.__dict__["__getattr__"] = _of_other_packages


def __dir__() -> list[str]:
    return sorted(__all__)
