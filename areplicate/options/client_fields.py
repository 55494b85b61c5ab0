"""The fields of a request from outside, as keywords for a call: only what a client may set passes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..errors import BadRequestError
from .declared import BY_NAME, Who
from .unknown_names import means_nothing, unknown


def read_from_client(
    body: Mapping[str, Any], inputs: Collection[str], drop_params: bool = False
) -> dict[str, Any]:
    """The fields of a request, of a gateway's client or of a batch file, as keywords for `acompletion`; none is None.

    A field passes only because it is named: as an option that a client may set, or as an input of the
    model. Fields that have no effect here are left out.

    Args:
        body: the request's fields, without `model` and `messages`.
        inputs: the names of the model's own inputs; if they are not known, `catalogue.common_inputs()`.
        drop_params: leave out what is not known, as `drop_params` of the request itself does.

    Raises:
        BadRequestError: a field is not the client's to set, or is not known; `param` names it.
    """
    allowed: dict[str, Any] = {}
    drops = drop_params or body.get("drop_params") is True
    for name, value in body.items():
        if value is None:
            continue
        option = BY_NAME.get(name)
        if option is None:
            if (drops and name not in inputs) or means_nothing(name, value):
                continue
            if name not in inputs:
                raise unknown(name, [*names_for("client"), *inputs])
            allowed[name] = value
        elif "client" not in option.by:
            raise BadRequestError(
                f"{name} cannot be set in a request, nor in a row of a job: who runs the gateway or the job sets it.",
                param=name,
            )
        elif name == option.name or body.get(option.name) is None:
            allowed[option.name] = value
    return allowed


def names_for(who: Who) -> frozenset[str]:
    """The names, other clients' included, of the options that `who` may set."""
    return frozenset(name for name, option in BY_NAME.items() if who in option.by)
