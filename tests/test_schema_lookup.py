"""Where schemas come from: the catalogue, one look-up, and what is kept of it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from trio.testing import MockClock

from areplicate.errors import APIError, AuthenticationError, NotFoundError
from areplicate.replicate.endpoints import ModelEndpoint, VersionEndpoint, parse_model
from areplicate.replicate.protocol.models import MOST_PUBLISHED
from areplicate.schema_lookup import cache as schema_cache
from areplicate.schema_lookup.endpoint import endpoint_of
from areplicate.schema_lookup.store import SchemaStore, Viewer
from tests.fast_forward import FastForwardLoop

pytestmark = pytest.mark.anyio

VERSION = "ab" * 32
OTHER_VERSION = "cd" * 32
LLAMA_3 = parse_model("meta/meta-llama-3-8b-instruct")
UNKNOWN = parse_model("someone/new-model")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Loops that skip waiting."""
    if request.param == "trio":
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return "asyncio", {"loop_factory": FastForwardLoop}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AREPLICATE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def version(id: str = VERSION, **properties: Any) -> dict[str, Any]:
    properties = properties or {"prompt": {"type": "string"}, "max_tokens": {"type": "integer"}}
    return {"id": id, "openapi_schema": {"components": {"schemas": {"Input": {"properties": properties}}}}}


def model(latest: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "owner": "someone",
        "name": "new-model",
        "latest_version": latest,
        "default_example": {"input": {"prompt": "<|im_start|>user\nHi<|im_end|>"}},
    }


def published(**schemas: Any) -> dict[str, Any]:
    """A model with these schemas."""
    return model({"id": VERSION, "openapi_schema": {"components": {"schemas": schemas}}})


class API:
    """Answers paths; remembers what was asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.gate: Callable[[], Awaitable[None]] | None = None

    async def get(self, path: str) -> bytes:
        self.asked.append(path)
        await anyio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate()
        answer = self.answers.get(path, NotFoundError("Not found."))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def files_in(directory: Path) -> list[Path]:
    return list(directory.rglob("*.json"))


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_known_model_is_never_looked_up() -> None:
    api, store = API({}), SchemaStore()
    known = store.known(LLAMA_3)
    assert known is not None and "prompt_template" in known.fields
    assert await store.of(LLAMA_3, api.get) is known
    assert known.version is not None
    by_version = parse_model(f"llama-3-anything:{known.version}")
    assert store.known(by_version) is not None
    assert api.asked == []


async def test_a_first_call_waits_fifteen_seconds_for_its_models_schema(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api, store = API({}), SchemaStore()
    api.gate = anyio.sleep_forever
    began = anyio.current_time()
    assert await store.of(UNKNOWN, api.get) is None
    assert anyio.current_time() - began == pytest.approx(15, abs=0.1)
    assert "no answer within 15 s" in caplog.text


async def test_another_version_of_a_known_model_has_its_own_schema() -> None:
    path = f"/models/meta/meta-llama-3-8b-instruct/versions/{VERSION}"
    api, store = API({path: version(prompt={"type": "string"})}), SchemaStore()
    endpoint = parse_model(f"meta/meta-llama-3-8b-instruct:{VERSION}")
    assert store.known(endpoint) is None
    schema = await store.of(endpoint, api.get)
    assert schema is not None and list(schema.fields) == ["prompt"]
    assert schema.model == "meta/meta-llama-3-8b-instruct"


async def test_a_model_is_looked_up_once() -> None:
    api, store = API({"/models/someone/new-model": model(version())}), SchemaStore()
    schema = await store.of(UNKNOWN, api.get)
    assert schema is not None
    assert schema.version == VERSION and schema.format.family == "chatml"
    assert store.known(UNKNOWN) is schema
    assert await store.of(UNKNOWN, api.get) is schema
    assert api.asked == ["/models/someone/new-model"]


async def test_a_deployment_has_the_schema_of_its_release() -> None:
    release = {"model": "someone/new-model", "version": VERSION}
    deployment = {"owner": "o", "name": "d", "current_release": release}
    api = API(
        {
            "/deployments/o/d": deployment,
            f"/models/someone/new-model/versions/{VERSION}": version(),
        }
    )
    schema = await SchemaStore().of(parse_model("deployments/o/d"), api.get)
    assert schema is not None and schema.model == "someone/new-model"
    assert len(api.asked) == 2


async def test_a_deployment_of_a_known_version_needs_one_request() -> None:
    known = SchemaStore().known(LLAMA_3)
    assert known is not None
    release = {"model": "meta/meta-llama-3-8b-instruct", "version": known.version}
    api = API({"/deployments/o/d": {"owner": "o", "name": "d", "current_release": release}})
    schema = await SchemaStore().of(parse_model("deployments/o/d"), api.get)
    assert schema is not None and "prompt_template" in schema.fields
    assert api.asked == ["/deployments/o/d"]


async def test_a_version_without_its_owner_cannot_be_looked_up() -> None:
    api = API({})
    assert await SchemaStore().of(parse_model(f"vicuna-13b:{VERSION}"), api.get) is None
    assert await SchemaStore().of(parse_model("replicate/custom-llm-version-id"), api.get) is None
    assert api.asked == []


async def test_calls_at_once_share_one_look_up() -> None:
    api, store = API({"/models/someone/new-model": model(version())}), SchemaStore()
    api.gate = lambda: anyio.sleep(0.01)
    found: list[Any] = []

    async def call() -> None:
        found.append(await store.of(UNKNOWN, api.get))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
    assert len(api.asked) == 1
    assert len(found) == 20 and all(schema is found[0] for schema in found)


async def test_a_first_caller_that_is_cancelled_fails_nobody_else() -> None:
    api, store = API({"/models/someone/new-model": model(version())}), SchemaStore()
    begun = anyio.Event()

    async def hang() -> None:
        begun.set()
        await anyio.sleep_forever()

    api.gate = hang
    found: list[Any] = []

    async def call() -> None:
        found.append(await store.of(UNKNOWN, api.get))

    async with anyio.create_task_group() as others, anyio.create_task_group() as first:
        first.start_soon(call)
        await begun.wait()
        for _ in range(3):
            others.start_soon(call)
        await anyio.lowlevel.checkpoint()
        api.gate = None
        first.cancel_scope.cancel()
    assert len(found) == 3 and all(found)
    assert len(api.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        NotFoundError("Replicate answered 404."),
        AuthenticationError("Replicate answered 401."),
        APIError("broken"),
        b"<html>",
        b'{"latest_version": 7}',
        b'{"latest_version": {"id": "\xe9"}}',
        b'{"latest_version": {"id": "", "openapi_schema": {"": ' + b"[" * 9999 + b"]" * 9999 + b"}}}",
        model(None),
        model({"id": VERSION}),
        model({"id": VERSION, "openapi_schema": {}}),
        model({"id": VERSION, "openapi_schema": {"components": [1]}}),
        model({"id": VERSION, "openapi_schema": {"components": {"schemas": [1]}}}),
        published(Input={"properties": {f"p{number}": {} for number in range(501)}}),
        model(version(prompt={"type": "string", "description": " " * MOST_PUBLISHED})),
        published(Input={"allOf": [{"$ref": "#/Input"}] * 100}),
        published(Input={"allOf": [{"$ref": "#/B"}] * 3_000}, B=dict.fromkeys(map(str, range(20_000)))),
    ],
    ids=lambda answer: str(answer)[:60],
)
async def test_a_look_up_that_fails_is_told_and_the_call_goes_on(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    api, clock = API({"/models/someone/new-model": answer}), Clock()
    store = SchemaStore(clock)
    assert await store.of(UNKNOWN, api.get) is None
    assert "The inputs of someone/new-model are not known" in caplog.text
    assert await store.of(UNKNOWN, api.get) is None
    clock.now += 59
    assert await store.of(UNKNOWN, api.get) is None
    assert len(api.asked) == 1, "not asked again within a minute"

    api.answers["/models/someone/new-model"] = model(version())
    clock.now += 1
    assert await store.of(UNKNOWN, api.get) is not None


@pytest.mark.parametrize(
    "text",
    ["json messages " * 2_000, "User:" * 100_000, "x" * MOST_PUBLISHED],
    ids=["words", "marks", "long"],
)
async def test_no_text_of_a_strangers_model_takes_long_to_read(text: str) -> None:
    """The pattern that looked for words in an input's description looked at this for days."""
    found = model(version(prompt={"type": "string", "description": text[:900_000]}))
    found["default_example"]["input"] = {"prompt": text}
    found["latest_version"]["openapi_schema"]["components"]["schemas"]["Input"]["required"] = [{}, "prompt"]
    schema = await SchemaStore(Clock()).of(UNKNOWN, API({"/models/someone/new-model": found}).get)
    assert schema is not None
    assert (schema.required, schema.prompt_is_messages, schema.format.family) == (("prompt",), False, None)


async def test_a_key_that_may_not_see_a_model_spoils_it_for_no_other() -> None:
    store, one, other = SchemaStore(), Viewer("base", "one"), Viewer("base", "other")
    path = "/models/someone/new-model"
    assert await store.of(UNKNOWN, API({path: AuthenticationError("401")}).get, one) is None
    assert store.missing(UNKNOWN, one) is None
    seen = API({path: model(version())})
    assert await store.of(UNKNOWN, seen.get, other) is not None
    assert store.known(UNKNOWN, other) is not None
    assert store.known(UNKNOWN, one) is None, "what one key may see is not shown to another"
    assert await SchemaStore().of(UNKNOWN, API({}).get, one) is None, "nor from the disk"
    assert await SchemaStore().of(UNKNOWN, API({}).get, other) is not None


async def test_a_public_model_is_looked_up_once_for_all_keys() -> None:
    store, one, other = SchemaStore(), Viewer("base", "one"), Viewer("base", "other")
    api = API({"/models/someone/new-model": {**model(version()), "visibility": "public"}})
    assert await store.of(UNKNOWN, api.get, one) is await store.of(UNKNOWN, api.get, other)
    assert await SchemaStore().of(UNKNOWN, API({}).get, other) is not None, "and on the disk"
    assert len(api.asked) == 1


async def test_a_missing_model_is_missing_for_the_key_that_asked() -> None:
    store, one, other = SchemaStore(), Viewer("base", "one"), Viewer("base", "other")
    await store.of(UNKNOWN, API({}).get, one)
    assert store.missing(UNKNOWN, one) is not None and store.missing(UNKNOWN, other) is None


async def test_missing_models_are_forgotten_and_their_errors_keep_nobody() -> None:
    store = SchemaStore(clock := Clock())
    for _ in range(2):
        await store.of(UNKNOWN, API({}).get)
        caught = store.missing(UNKNOWN)
        assert caught is not None and (caught.__traceback__, caught.__context__) == (None, None)
        with pytest.raises(NotFoundError):
            raise caught
    clock.now += 61
    assert store.missing(UNKNOWN) is not None
    await store.of(ModelEndpoint("someone", "else"), API({}).get)
    assert store.missing(UNKNOWN) is None


async def test_a_schema_of_a_version_that_was_replaced_is_looked_up_anew() -> None:
    api, store = API({"/models/someone/new-model": model(version())}), SchemaStore()
    assert await store.of(UNKNOWN, api.get) is store.known(UNKNOWN, version=VERSION)
    assert store.known(UNKNOWN, version=OTHER_VERSION) is None
    api.answers["/models/someone/new-model"] = model(version(OTHER_VERSION))
    for _ in range(2):
        renewed = await store.of(UNKNOWN, api.get, version=OTHER_VERSION)
        assert renewed is not None and renewed.version == OTHER_VERSION
    assert len(api.asked) == 2


class TestDisk:
    async def test_the_next_run_need_not_ask(self, cache: Path) -> None:
        api, clock = API({"/models/someone/new-model": model(version())}), Clock()
        assert await SchemaStore(clock).of(UNKNOWN, api.get) is not None
        assert len(files_in(cache)) == 1

        silent = API({})
        schema = await SchemaStore(clock).of(UNKNOWN, silent.get)
        assert schema is not None and schema.format.family == "chatml"
        assert silent.asked == []

    async def test_what_is_old_is_asked_anew_and_kept_where_nobody_answers(self) -> None:
        api, clock = API({"/models/someone/new-model": model(version())}), Clock()
        store = SchemaStore(clock)
        await store.of(UNKNOWN, api.get)
        clock.now += 25 * 3600
        assert store.known(UNKNOWN) is None

        for restarted in (store, SchemaStore(clock)):
            down = API({"/models/someone/new-model": APIError("down")})
            schema = await restarted.of(UNKNOWN, down.get)
            assert schema is not None and schema.version == VERSION
            assert await restarted.of(UNKNOWN, down.get) is schema
            assert len(down.asked) == 1

        api.answers["/models/someone/new-model"] = model(version(OTHER_VERSION))
        clock.now += 60
        renewed = await store.of(UNKNOWN, api.get)
        assert renewed is not None and renewed.version == OTHER_VERSION

    @pytest.mark.parametrize(
        ("name", "path", "days"),
        [
            ("someone/new-model", "/models/someone/new-model", 1),
            (f"someone/new-model:{VERSION}", f"/models/someone/new-model/versions/{VERSION}", 365),
        ],
    )
    async def test_a_models_schema_is_good_for_a_day_and_a_versions_for_a_year(
        self, name: str, path: str, days: int
    ) -> None:
        answer = version() if days == 365 else model(version())
        api, clock, endpoint = API({path: answer}), Clock(), parse_model(name)
        for age, looks in ((0, 1), (days * 86_400 - 60, 1), (120, 2)):
            clock.now += age
            assert await SchemaStore(clock).of(endpoint, api.get) is not None
            assert len(api.asked) == looks

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b'{"name": "x"}', b"\xff" * 9, b'{"name": "\xe9"}', b"[" * 100_000]
    )
    async def test_a_broken_file_is_as_good_as_none(self, cache: Path, content: bytes) -> None:
        api = API({"/models/someone/new-model": model(version())})
        await SchemaStore().of(UNKNOWN, api.get)
        (file,) = files_in(cache)
        file.write_bytes(content)
        assert await SchemaStore().of(UNKNOWN, api.get) is not None
        assert len(api.asked) == 2
        assert json.loads(file.read_bytes())["found"]["latest_version"] == VERSION

    async def test_a_place_that_cannot_be_written_is_no_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "areplicate")
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("AREPLICATE_CACHE_DIR", str(tmp_path / "file"))
        api = API({"/models/someone/new-model": model(version())})
        assert await SchemaStore().of(UNKNOWN, api.get) is not None
        assert "cannot be kept" in caplog.text

    async def test_off_keeps_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AREPLICATE_CACHE_DIR", "off")
        monkeypatch.chdir(tmp_path)
        api = API({"/models/someone/new-model": model(version())})
        assert await SchemaStore().of(UNKNOWN, api.get) is not None
        assert files_in(tmp_path) == []

    async def test_the_models_of_one_api_are_not_those_of_another(self) -> None:
        api = API({"/models/someone/new-model": model(version())})
        store = SchemaStore()
        assert await store.of(UNKNOWN, api.get, Viewer("http://localhost:4100")) is not None
        assert store.known(UNKNOWN, Viewer("https://api.replicate.com/v1")) is None
        assert await SchemaStore().of(UNKNOWN, API({}).get, Viewer("https://api.replicate.com/v1")) is None

    @pytest.mark.parametrize(
        ("environment", "platform", "place"),
        [
            ({"XDG_CACHE_HOME": "/x"}, "linux", "/x/areplicate"),
            ({"HOME": "/h"}, "linux", "/h/.cache/areplicate"),
            ({"HOME": "/h"}, "darwin", "/h/Library/Caches/areplicate"),
            ({"LOCALAPPDATA": "/l"}, "win32", "/l/areplicate"),
            ({"AREPLICATE_CACHE_DIR": "/own", "XDG_CACHE_HOME": "/x"}, "linux", "/own"),
        ],
    )
    def test_the_place(
        self, environment: dict[str, str], platform: str, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("AREPLICATE_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "platform", platform)
        assert schema_cache._root() == Path(place)


def test_the_prefix_is_the_owner_of_some_models() -> None:
    assert endpoint_of("replicate/gpt-j-6b") == ModelEndpoint("replicate", "gpt-j-6b")
    assert endpoint_of("replicate/custom-version-id") == VersionEndpoint(
        "custom-version-id", "custom-version-id"
    )
