"""`areplicate keys`: the gateway's keys, through its admin API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from itertools import count
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import click
import msgspec

from ..gateway.accounts.keys import KeyLimits
from ..gateway.api.keys import AuditList, KeyList, KeysDeleted, KeyShown, NewKey, NewKeyShown
from ..gateway.config.settings import MASTER_KEY_VARIABLES
from .terminal import console, table

_SECONDS = 30.0
_KINDS: dict[str, tuple[type, str]] = {
    "string": (str, "TEXT"),
    "integer": (int, "INT"),
    "number": (float, "FLOAT"),
}
"""The types of a key's fields, and their names in the help."""
_NONE = object()
"""`none`, as it was given: no limit."""
Command = TypeVar("Command", bound=Callable[..., Any])
T = TypeVar("T")


class Admin(NamedTuple):
    """The admin API of a gateway."""

    url: str
    master_key: str | None

    def ask(self, path: str, kind: type[T], body: dict[str, Any] | None = None) -> T:
        """The answer to a POST of `body`, or to a GET; a `ClickException` says what went wrong."""
        if not self.master_key:
            raise click.ClickException("This needs the gateway's master key: set AREPLICATE_MASTER_KEY.")
        headers = {"Authorization": f"Bearer {self.master_key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return msgspec.json.decode(answer.read(), type=kind)
        except msgspec.DecodeError as error:
            raise click.ClickException(
                f"What listens at {self.url} is not a gateway of areplicate: its answer to {path} is not what is "
                f"expected ({error}). Give the gateway's address by --url."
            ) from None
        except urllib.error.HTTPError as error:
            raise click.ClickException(_message(error)) from None
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise click.ClickException(f"The gateway at {self.url} cannot be reached: {reason}.") from None


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return f"{json.load(error)['error']['message']} ({error.code})"
    except (ValueError, KeyError, TypeError):
        return f"The gateway answered {error.code}."


@click.group()
@click.option(
    "--url",
    envvar="AREPLICATE_GATEWAY_URL",
    default="http://127.0.0.1:4000",
    show_default=True,
    help="Where the gateway is; also AREPLICATE_GATEWAY_URL.",
)
@click.option(
    "--master-key",
    envvar=list(MASTER_KEY_VARIABLES),
    help="Better in the environment, as AREPLICATE_MASTER_KEY: what is typed here, others may read.",
)
@click.pass_context
def keys(context: click.Context, url: str, master_key: str | None) -> None:
    """Make, change, list and take back the keys of a running gateway."""
    context.obj = Admin(url.rstrip("/"), master_key and master_key.strip())


def _with_terms(command: Command) -> Command:
    """Adds an option for each field of a new key."""
    schema = msgspec.json.schema_components([NewKey])[1]["NewKey"]
    for name, field in reversed(schema["properties"].items()):
        command = _option(name, field)(command)
    return command


def _option(name: str, field: dict[str, Any]) -> Callable[[Command], Command]:
    """The option for a field, from its JSON Schema."""
    if name == "models":
        return click.option(
            "--model", "models", multiple=True, help="May be given several times; all by default."
        )
    if name == "metadata":
        return click.option("--metadata", callback=_json, help="A JSON object.")
    value = next(kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null")
    flag, help = "--" + name.replace("_", "-"), value.get("description", "")
    if "enum" in value:
        return click.option(flag, name, type=click.Choice(value["enum"]), help=help)
    kind, metavar = _KINDS[value["type"]]
    return click.option(flag, name, callback=_or_none(kind), metavar=metavar, help=help)


def _or_none(kind: type) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Reads a value, or `none` for no limit. The gateway checks its bounds."""

    def read(context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
        if text is None or text == "none":
            return _NONE if text else None
        try:
            return kind(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not a number; none means no limit.") from None

    return read


def _json(context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not JSON: {error}.") from None


def _given(terms: dict[str, Any]) -> dict[str, Any]:
    """The options that were given on the command line."""
    given = {name: value for name, value in terms.items() if value not in (None, ())}
    return {name: None if value is _NONE else value for name, value in given.items()}


@keys.command()
@_with_terms
@click.pass_obj
def create(admin: Admin, /, **terms: Any) -> None:
    """Make a key. It is printed once, and kept nowhere."""
    _show_token(admin.ask("/key/generate", NewKeyShown, _given(terms)))


@keys.command()
@click.argument("key")
@_with_terms
@click.pass_obj
def update(admin: Admin, /, key: str, **terms: Any) -> None:
    """Change what a key may do; `none` takes a limit away."""
    _show([admin.ask("/key/update", KeyShown, {"key": key, **_given(terms)})])


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="All of it, as JSON.")
@click.pass_obj
def list_(admin: Admin, as_json: bool) -> None:
    """List all keys, newest first."""
    found: list[KeyShown] = []
    for page in count(1):
        answer = admin.ask(f"/key/list?size=1000&page={page}", KeyList)
        found += answer.keys
        if len(found) >= answer.total or not answer.keys:
            break
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        _show(found)


@keys.command()
@click.argument("key")
@click.pass_obj
def block(admin: Admin, key: str) -> None:
    """Refuse a key from now on."""
    _show([admin.ask("/key/block", KeyShown, {"key": key})])


@keys.command()
@click.argument("key")
@click.pass_obj
def unblock(admin: Admin, key: str) -> None:
    """Take a blocked key again."""
    _show([admin.ask("/key/unblock", KeyShown, {"key": key})])


@keys.command()
@click.argument("key")
@click.pass_obj
def regenerate(admin: Admin, key: str) -> None:
    """Give a key a new token; the old one ends at once."""
    _show_token(admin.ask("/key/regenerate", NewKeyShown, {"key": key}))


@keys.command()
@click.argument("keys", nargs=-1, required=True)
@click.pass_obj
def delete(admin: Admin, keys: tuple[str, ...]) -> None:
    """Delete keys; what they have spent stays in the account."""
    for key in admin.ask("/key/delete", KeysDeleted, {"keys": list(keys)}).deleted_keys:
        click.echo(key)


@keys.command()
@click.argument("key", required=False)
@click.pass_obj
def audit(admin: Admin, key: str | None) -> None:
    """Tell who did what to a key, or to all."""
    query = urlencode({"size": 1000, **({"key": key} if key else {})})
    for row in reversed(admin.ask(f"/key/audit?{query}", AuditList).data):
        click.echo(msgspec.json.encode(row))


def _show_token(made: NewKeyShown) -> None:
    click.echo(f"{made.key_id}: this is shown once", err=True)
    click.echo(made.key)


def _show(found: list[KeyShown]) -> None:
    keys = table("key_id", "alias", "role", "models", "spent", "limits", "")
    for key in found:
        limits = {name: getattr(key, name) for name in KeyLimits.__struct_fields__}
        shown = [f"{name}={limit}" for name, limit in limits.items() if limit is not None]
        if key.budget_duration:
            shown.append(f"each {key.budget_duration}")
        keys.add_row(
            key.key_id,
            key.key_alias or "",
            key.role,
            ", ".join(key.models) or "all",
            f"${key.spend:.4f}",
            " ".join(shown) or "none",
            "blocked" if key.blocked else "",
        )
    console().print(keys, soft_wrap=True)
