"""Any language model on Replicate as if it were OpenAI's chat API.

    from areplicate import acompletion, completion

    response = completion(model="replicate/meta/meta-llama-3-8b-instruct",
                          messages=[{"role": "user", "content": "Hello, how are you?"}])
    response.choices[0].message.content

The names below are imported when they are first used, so that `import areplicate` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

set_verbose = False
"""True logs each request as a curl command, the key masked, and each phase with its seconds."""

_HOMES = {
    "acompletion": "completion",
    "completion": "completion",
    "map": "completion",
    "AsyncRouter": "router",
    "MapResult": "bulk.map",
    "stream_to_completion": "chat.chunks",
    "CompletionStream": "streams",
    "SyncCompletionStream": "completion",
    "register_prompt_template": "chat.formats.templates",
    "ModelResponse": "chat.responses",
    "ModelResponseChunk": "chat.responses",
    "Status": "replicate.progress",
    "AreplicateWarning": "errors",
    "APIError": "errors",
    "APIConnectionError": "errors",
    "AuthenticationError": "errors",
    "BadRequestError": "errors",
    "InsufficientCreditError": "errors",
    "InternalServerError": "errors",
    "NotFoundError": "errors",
    "PermissionDeniedError": "errors",
    "PredictionCanceledError": "errors",
    "PredictionFailedError": "errors",
    "RateLimitError": "errors",
    "ServiceUnavailableError": "errors",
    "Timeout": "errors",
    "UnsupportedParamsError": "errors",
}

__all__ = ["__version__", "set_verbose", *_HOMES]

if TYPE_CHECKING:
    from .bulk.map import MapResult as MapResult
    from .chat.chunks import stream_to_completion as stream_to_completion
    from .chat.formats.templates import register_prompt_template as register_prompt_template
    from .chat.responses import ModelResponse as ModelResponse
    from .chat.responses import ModelResponseChunk as ModelResponseChunk
    from .completion import SyncCompletionStream as SyncCompletionStream
    from .completion import acompletion as acompletion
    from .completion import completion as completion
    from .completion import map as map
    from .errors import APIConnectionError as APIConnectionError
    from .errors import APIError as APIError
    from .errors import AreplicateWarning as AreplicateWarning
    from .errors import AuthenticationError as AuthenticationError
    from .errors import BadRequestError as BadRequestError
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
    from .replicate.progress import Status as Status
    from .router import AsyncRouter as AsyncRouter
    from .streams import CompletionStream as CompletionStream


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{home}", __name__)
    # All of a module's names at once: importing `.completion` binds that name to the module itself.
    globals().update({each: getattr(module, each) for each, where in _HOMES.items() if where == home})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(__all__)
