"""What a configuration file may say, as structs: LiteLLM's proxy configuration, as far as it concerns Replicate.

A setting is declared here and nowhere else: its name, type, bounds and default. Times are in seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ...replicate.limits import CREATIONS_PER_MINUTE, OTHERS_PER_MINUTE
from ..mismatch import pattern

_MOST = 1e9
"""The largest number that a configuration may have: infinity is neither a time nor an integer."""
Positive = Annotated[float, msgspec.Meta(gt=0, le=_MOST)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
Count = Annotated[int, msgspec.Meta(ge=1, le=int(_MOST))]
Rate = Annotated[float, msgspec.Meta(ge=1, le=_MOST)]
Retries = Annotated[int, msgspec.Meta(ge=0, le=100)]
NotEmpty = Annotated[str, pattern(r"\S", "a string that is not empty")]
Secret = Annotated[str, pattern(r"^[!-~]+$", "printable characters without spaces")]
"""A secret that is sent in a header."""
URL = Annotated[str, pattern(r"^https?://[^\s/]+", "a URL that begins with https:// or http://")]


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the database is waited for, in seconds, and what holds while it does not answer.

    Attributes:
        database_connect_timeout, database_statement_timeout, database_lock_timeout: how long it may take to
            connect, for a statement, and for a lock.
        database_grace_seconds: how long a key that was seen goes on while the database does not answer.
        usage_rows_in_memory: how many rows of usage (about 1 KB each) wait for it in memory; the others wait in a file.
    """

    database_connect_timeout: Rate = 3.0
    database_statement_timeout: Positive = 5.0
    database_lock_timeout: Positive = 2.0
    database_grace_seconds: NotNegative = 300.0
    usage_rows_in_memory: Count = 10_000


class GeneralSettings(DatabaseSettings, frozen=True, kw_only=True):
    """`general_settings`.

    Attributes:
        master_key: what may do everything; without it the gateway is open and binds loopback only.
        database_url: where keys and usage are kept; by default in SQLite, beside the configuration.
        usage_folder: where rows of usage wait that the database does not take, by default beside the
            configuration.
        store_responses: keep what /v1/responses answers, so that later requests may go on from it by its id, for
            `stored_responses_seconds`; `max_stored_mb`: of how many megabytes those of a key may be, before the
            oldest make room.
        files_dir: where uploaded files and the results of batches lie, by default `areplicate-files` beside the
            SQLite file or the configuration; gateways that share a database share it, too.
        max_file_mb, max_files: how large a file may be, and how many a key may have.
        max_batch_requests: how many requests a batch may have.
        batch_requests_in_flight: how many requests of batches a process asks at a time.
        max_bodies_mb: megabytes of all bodies that a process holds for requests in flight; each takes about three
            times as much memory, and each of its objects, lists and commas counts as 80 bytes more. Beyond it
            requests get a 503, the largest first.
        max_answers_mb: megabytes of all answers of more than 1 MB that a process holds for requests in flight; beyond
            it a request gets a 503.
        drain_seconds: how long requests in flight may go on after SIGTERM.
        keepalive_seconds: how long an idle connection stays open: longer than a load balancer keeps it (Google's:
            600), so that none is closed under a request.
        pool_size: connections to Replicate at most, about 16 KB each. Streams beyond nine tenths of it come in
            lumps, from looks at the prediction. By default 1,024, or what the open files allow.
        held_creations: how many whole answers may each be waited for on a connection of their own; those beyond
            are watched together through the account's list.
        creations_per_minute, others_per_minute: what Replicate allows the account.
        cors_origins: the web pages that may use the gateway, such as https://chat.example.com; `*` is any.
        unsupported_providers: what to do with entries of other providers.
        allow_any_api_key: whether api.replicate.com may get a key that does not begin with r8_.
    """

    master_key: Annotated[Secret, msgspec.Meta(min_length=8)] | None = None
    database_url: NotEmpty | None = None
    usage_folder: NotEmpty | None = None
    store_responses: bool = False
    stored_responses_seconds: Positive = 30 * 24 * 3600.0
    max_stored_mb: Positive = 1000.0
    files_dir: NotEmpty | None = None
    max_file_mb: Positive = 200.0
    max_files: Count = 1000
    max_batch_requests: Count = 50_000
    batch_requests_in_flight: Count = 100
    max_bodies_mb: Annotated[float, msgspec.Meta(ge=50, le=_MOST)] = 100.0
    max_answers_mb: Annotated[float, msgspec.Meta(ge=80, le=_MOST)] = 256.0
    drain_seconds: NotNegative = 30.0
    keepalive_seconds: Positive = 650.0
    pool_size: Count | None = None
    held_creations: Count = 100
    creations_per_minute: Rate = CREATIONS_PER_MINUTE
    others_per_minute: Rate = OTHERS_PER_MINUTE
    cors_origins: tuple[NotEmpty, ...] = ()
    unsupported_providers: Literal["refuse", "skip"] = "refuse"
    allow_any_api_key: bool = False


class SharedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What both `litellm_settings` and `router_settings` may say."""

    num_retries: Retries | None = None
    allowed_fails: Annotated[int, msgspec.Meta(ge=0)] | None = None
    cooldown_time: NotNegative | None = None
    fallbacks: list[dict[str, Annotated[list[NotEmpty], msgspec.Meta(min_length=1)]]] = []
    default_fallbacks: list[NotEmpty] = []


class LitellmSettings(SharedSettings, frozen=True, kw_only=True):
    """`litellm_settings`."""

    drop_params: bool = False
    set_verbose: bool = False
    request_timeout: Rate | None = None


class Alias(msgspec.Struct, frozen=True):
    """Another name for a model, which `/v1/models` may leave out."""

    model: NotEmpty
    hidden: bool = False


class RouterSettings(SharedSettings, frozen=True, kw_only=True):
    """`router_settings`. Where `litellm_settings` says the same, this counts more, except for the timeout."""

    timeout: Rate | None = None
    model_group_alias: dict[str, NotEmpty | Alias] = {}


class LitellmParams(msgspec.Struct, frozen=True, kw_only=True):
    """`litellm_params` of an entry. What it has besides are options of a call, or inputs of the model."""

    model: NotEmpty
    api_key: Secret | None = None
    api_base: URL | None = None
    default_headers: dict[str, str] | None = None
    proxy: str | None = None
    ssl: bool | str | None = None
    rpm: Rate | None = None
    weight: Positive | None = None
    timeout: Positive | None = None
    max_parallel_requests: Count | None = None
    num_retries: Retries | None = None


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry costs, in dollars: in `model_info`, whose other keys are facts for clients, or
    `litellm_params`."""

    input_cost_per_token: NotNegative | None = None
    output_cost_per_token: NotNegative | None = None
    input_cost_per_second: NotNegative | None = None
    hardware: str | None = None


class EntryParts(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `model_list`, its parts still to be read."""

    model_name: NotEmpty
    litellm_params: dict[str, Any]
    model_info: dict[str, Any] = {}


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters, such as a key, to which entries refer by `litellm_credential_name`."""

    credential_name: NotEmpty
    credential_values: dict[str, Any] = {}


class ConfigurationFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file as a whole, its parts still to be read."""

    model_list: Annotated[list[Any], msgspec.Meta(min_length=1)]
    general_settings: Any = {}
    litellm_settings: Any = {}
    router_settings: Any = {}
    environment_variables: dict[str, Any] = {}
    credential_list: list[Credential] = []
