"""What a configuration file may say, as structs: LiteLLM's proxy configuration, as far as it concerns Replicate.

A setting is declared here and nowhere else: its name, type, unit, bounds, default and meaning. From these
`scripts/build_gateway_pages.py` writes docs/gateway/settings.md, the last struct first. A setting without a text of its
own means what the option of a call does that has its name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ...replicate.limits import CREATIONS_PER_MINUTE, OTHERS_PER_MINUTE
from ..mismatch import pattern

MASTER_KEY_VARIABLES = ("AREPLICATE_MASTER_KEY", "LITELLM_MASTER_KEY")
"""Where the environment may have the master key; the first that is set counts."""
_MOST = 1e9
"""The largest number that a configuration may have: infinity is neither a time nor an integer."""
Positive = Annotated[float, msgspec.Meta(gt=0, le=_MOST)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
Count = Annotated[int, msgspec.Meta(ge=1, le=int(_MOST))]
Retries = Annotated[int, msgspec.Meta(ge=0, le=100)]
NotEmpty = Annotated[str, pattern(r"\S", "a string that is not empty")]
Secret = Annotated[str, pattern(r"^[!-~]+$", "printable characters without spaces")]
"""A secret that is sent in a header."""
URL = Annotated[
    str,
    pattern(
        r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        "a URL that begins with https:// or http://, without spaces, ? and #",
    ),
]

SECONDS = msgspec.Meta(title="seconds")
MEGABYTES = msgspec.Meta(title="MB")
Dollars = Annotated[NotNegative, msgspec.Meta(title="US dollars")]
Rate = Annotated[float, msgspec.Meta(ge=1, le=_MOST, title="a number a minute")]
TimeLimit = Annotated[float, msgspec.Meta(ge=1, le=_MOST), SECONDS]


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `credential_list`. Entries of `model_list` refer to it by `litellm_credential_name`."""

    credential_name: NotEmpty
    """What entries call it."""
    credential_values: dict[str, Any] = {}
    """Their `litellm_params`, as far as they do not give their own."""


class Alias(msgspec.Struct, frozen=True):
    """A mapping in `model_group_alias`. It is another name for a model."""

    model: NotEmpty
    """The name in `model_list` that it stands for."""
    hidden: bool = False
    """Whether `/v1/models` leaves it out."""


class SharedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Both `litellm_settings` and `router_settings`. If both have one of these, that of `router_settings` counts."""

    num_retries: Retries | None = None
    allowed_fails: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Failures in a row that an entry may have; with the next one it is left alone."""
    cooldown_time: Annotated[NotNegative, SECONDS] | None = None
    """How long it is left alone."""
    fallbacks: list[dict[str, Annotated[list[NotEmpty], msgspec.Meta(min_length=1)]]] = []
    """The names to try when all entries of a name have failed: `[{llama-3: [mistral]}]`."""
    default_fallbacks: list[NotEmpty] = []
    """Names to try after those, for any name."""


class RouterSettings(SharedSettings, frozen=True, kw_only=True):
    """`router_settings`. It may have these, and those of both."""

    timeout: TimeLimit | None = None
    """The same as `request_timeout`, which counts more."""
    model_group_alias: dict[str, NotEmpty | Alias] = {}
    """Further names for models: `{gpt-4o: llama-3}`, or `{gpt-4o: {model: llama-3, hidden: true}}`."""


class LitellmSettings(SharedSettings, frozen=True, kw_only=True):
    """`litellm_settings`. It may have these, and those of both."""

    drop_params: bool = False
    set_verbose: bool = False
    """Whether to log what is sent to Replicate, with its prompts and without keys."""
    request_timeout: TimeLimit | None = None
    """For the whole completion: queue, cold boot and answer."""


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`general_settings` for the database. How long it is waited for, and what holds while it does not answer."""

    database_connect_timeout: TimeLimit = 3.0
    """How long it may take to connect; with PostgreSQL at least 2."""
    database_statement_timeout: Annotated[Positive, SECONDS] = 5.0
    """How long a unit of work may take in all; reports may take longer."""
    database_lock_timeout: Annotated[Positive, SECONDS] = 2.0
    """How long a lock is waited for."""
    database_grace_seconds: Annotated[NotNegative, SECONDS] = 300.0
    """How long a key that was used goes on while the database does not answer."""
    usage_rows_in_memory: Count = 10_000
    """Rows of usage, about 1 KB each, that wait for it in memory; further ones wait in a file."""


class GeneralSettings(DatabaseSettings, frozen=True, kw_only=True):
    """`general_settings`. What concerns the gateway itself."""

    master_key: Annotated[Secret, msgspec.Meta(min_length=8)] | None = None
    """The key that may do everything; by default `AREPLICATE_MASTER_KEY`, else `LITELLM_MASTER_KEY` of the environment,
    which the log then says. Without one the gateway is open, and listens on this machine only."""
    cors_origins: tuple[NotEmpty, ...] = ()
    """The web pages that may read answers, such as `https://chat.example.com`; `*` is any."""
    unsupported_providers: Literal["refuse", "skip"] = "refuse"
    """What to do with entries of other providers: refuse to start, or leave them out with a warning."""
    allow_any_api_key: bool = False
    """Whether Replicate may be sent a key that does not begin with `r8_`."""
    database_url: NotEmpty | None = None
    """Where keys and usage are kept, in SQLite or PostgreSQL; by default in `areplicate.db` beside the configuration."""
    usage_folder: NotEmpty | None = None
    """Where rows of usage wait that the database does not take; by default beside the configuration."""
    files_dir: NotEmpty | None = None
    """Where uploaded files, journals and results of batches lie; by default `areplicate-files` beside the SQLite file,
    else beside the configuration. Gateways that share a database share it, too."""
    max_file_mb: Annotated[Positive, MEGABYTES] = 200.0
    """The largest file that may be uploaded."""
    max_files: Count = 1000
    """Files of a key, results among them; a batch under way counts as two."""
    max_batch_requests: Count = 50_000
    """Requests of a batch; its file may have twice as many lines, blank ones included."""
    batch_requests_in_flight: Count = 100
    """Requests of batches that a process asks at a time."""
    store_responses: bool = False
    """Whether to keep what `/v1/responses` answers, so that later requests can go on from it by its id."""
    stored_responses_seconds: Annotated[Positive, SECONDS] = 30 * 24 * 3600.0
    """How long it is kept."""
    max_stored_mb: Annotated[Positive, MEGABYTES] = 1000.0
    """Stored responses of a key; beyond that its oldest make room."""
    max_bodies_mb: Annotated[float, msgspec.Meta(ge=50, le=_MOST), MEGABYTES] = 100.0
    """All bodies that a process holds for requests in flight; they take about three times as much memory. Beyond that
    requests get a 503, the largest first."""
    max_answers_mb: Annotated[float, msgspec.Meta(ge=80, le=_MOST), MEGABYTES] = 256.0
    """All answers of more than 1 MB that a process holds for requests in flight. Beyond that a request gets a 503."""
    drain_seconds: Annotated[NotNegative, SECONDS] = 30.0
    """How long requests in flight may go on after SIGTERM."""
    keepalive_seconds: Annotated[Positive, SECONDS] = 650.0
    """How long an idle connection stays open: longer than your load balancer keeps it (Google's: 600), so that none is
    closed under a request."""
    pool_size: Count | None = None
    """Connections to Replicate, about 16 KB each; by default 1,024, or a third of the files that may be open. Streams
    beyond nine tenths of them come in lumps, from looks at the prediction."""
    held_creations: Count = 100
    """Whole answers that are each waited for on a connection of their own. Further ones are watched together through
    the account's list, which takes less memory and up to a second longer."""
    creations_per_minute: Rate = CREATIONS_PER_MINUTE
    """Predictions that Replicate lets the account create."""
    others_per_minute: Rate = OTHERS_PER_MINUTE
    """Other requests that Replicate allows the account."""


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """`model_info` of an entry. What it costs; other keys have no effect. `litellm_params` may have these, too."""

    input_cost_per_token: Dollars | None = None
    """For a token of the prompt."""
    output_cost_per_token: Dollars | None = None
    """For a token of the answer."""
    input_cost_per_second: Dollars | None = None
    """For a second of running."""
    hardware: str | None = None
    """What it runs on, by Replicate's name, instead of a price by the second."""


class LitellmParams(msgspec.Struct, frozen=True, kw_only=True):
    """`litellm_params` of an entry. What else it has are options of a call that a configuration may set, or inputs of the
    model; they hold for requests that do not give their own."""

    model: NotEmpty
    """The model that answers, such as `replicate/meta/meta-llama-3-8b-instruct`."""
    api_key: Secret | None = None
    """The Replicate API token; by default `REPLICATE_API_KEY`, else `REPLICATE_API_TOKEN` of the environment, if
    `api_base` is where that belongs."""
    api_base: URL | None = None
    """Where the API is; by default `REPLICATE_API_BASE`, else `REPLICATE_BASE_URL` of the environment, else Replicate."""
    default_headers: dict[str, str] | None = None
    proxy: str | None = None
    ssl: bool | str | None = None
    """Certificates to trust: the path of a file or folder, or false for any."""
    rpm: Rate | None = None
    """Requests that the entry takes."""
    weight: Positive | None = None
    """Its share of the load, compared with the other entries of its name."""
    timeout: Annotated[Positive, SECONDS] | None = None
    """As `request_timeout`, for this entry."""
    max_parallel_requests: Count | None = None
    """Requests that it takes at once."""
    num_retries: Retries | None = None
    litellm_credential_name: str | None = None
    """The `credential_name` whose values the entry has where it gives none itself."""


class EntryParts(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `model_list`. Several of one name share its load."""

    model_name: NotEmpty
    """What clients ask for. In `replicate/*`, the asterisk stands for any model."""
    litellm_params: dict[str, Any]
    """What answers, and how it is asked."""
    model_info: dict[str, Any] = {}
    """What it costs."""


class ConfigurationFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. Its parts are below."""

    model_list: Annotated[list[Any], msgspec.Meta(min_length=1)]
    """The models, and what clients call them."""
    general_settings: Any = {}
    """What concerns the gateway itself."""
    litellm_settings: Any = {}
    """What holds for all requests."""
    router_settings: Any = {}
    """How the load is shared, and what steps in."""
    environment_variables: dict[str, Any] = {}
    """Values for `os.environ/NAME` in this file, which count more than those of the environment."""
    credential_list: list[Credential] = []
    """Keys and other parameters that entries share."""
