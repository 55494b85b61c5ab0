"""The schemas of all models that a router calls, each looked up once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from copy import copy
from typing import NamedTuple

import anyio
import msgspec

from ..chat.schemas import catalogue
from ..chat.schemas.schema import ModelSchema, from_openapi
from ..errors import APIError, AuthenticationError, NotFoundError, PermissionDeniedError
from ..logs import logger
from ..replicate.endpoints import DeploymentEndpoint, Endpoint, VersionEndpoint
from ..replicate.protocol.decoding import decoded
from ..replicate.protocol.models import Version, decode_deployment, decode_model, decode_version
from ..threads import in_thread
from . import cache
from .cache import FoundSchema
from .endpoint import suggestion

Fetch = Callable[[str], Awaitable[bytes]]
"""GETs a path below the API's base and gives the body; raises an `APIError` otherwise."""

LOOK_UP_SECONDS = 15.0
"""For how long a first call waits for its model's schema before it goes on without it."""

RETRY_SECONDS = 60.0
"""For how long a failed look-up is not tried again."""


class Viewer(NamedTuple):
    """The base and the key that look a model up: one key may see models that another may not.

    `key` is a fingerprint of the key, never the key itself; empty for public models.
    """

    base: str = ""
    key: str = ""


_ANYBODY = Viewer()
_Key = tuple[Viewer, Endpoint]


class SchemaStore(msgspec.Struct, eq=False):
    """The schemas of all models that one router calls.

    A model of the catalogue costs nothing. Any other is looked up once, and kept in memory and on
    disk (`cache`); calls that come meanwhile wait for the same look-up. What a look-up gives is
    its viewer's alone, also that it failed; a public model's schema is everybody's.
    """

    _clock: Callable[[], float] = time.time
    _found: dict[_Key, FoundSchema] = {}
    _not_before: dict[_Key, float] = {}
    _looking: dict[_Key, anyio.Event] = {}
    _missing: dict[_Key, NotFoundError] = {}

    def known(
        self, endpoint: Endpoint, viewer: Viewer = _ANYBODY, version: str | None = None
    ) -> ModelSchema | None:
        """The schema, if it needs no look-up.

        `version` is the model's latest version, if known; a schema of another version is out of date.
        """
        named = endpoint.version if isinstance(endpoint, VersionEndpoint) else None
        schema = catalogue.find(endpoint.model, named)
        if schema is None and (found := self._kept(endpoint, viewer)) and self._fresh(found, version):
            return found.schema
        return schema

    async def of(
        self, endpoint: Endpoint, fetch: Fetch, viewer: Viewer = _ANYBODY, version: str | None = None
    ) -> ModelSchema | None:
        """The schema, looked up if it must be; None if that fails, and a warning says so.

        Never raises an `APIError`: a wrong key or a missing model is reported by the prediction that
        follows.
        """
        key = (viewer, endpoint)
        if (schema := self.known(endpoint, viewer, version)) or endpoint.schema_path is None:
            return schema
        while (looking := self._looking.get(key)) is not None:
            # The call that looks may be cancelled before it finds anything; then one that waited looks.
            await looking.wait()
        found = self._kept(endpoint, viewer)
        if (found and self._fresh(found, version)) or self._clock() < self._not_before.get(key, 0.0):
            return found.schema if found else None
        done = self._looking[key] = anyio.Event()
        try:
            looked_up = await self._look(key, fetch, version)
        finally:
            del self._looking[key]
            done.set()
        return looked_up.schema if looked_up else None

    def missing(self, endpoint: Endpoint, viewer: Viewer = _ANYBODY) -> NotFoundError | None:
        """The error of the last look-up, if that was that the model does not exist."""
        # A copy: an error that is raised keeps who raised it, and all they have.
        return copy(self._missing.get((viewer, endpoint)))

    def _kept(self, endpoint: Endpoint, viewer: Viewer) -> FoundSchema | None:
        return self._found.get((viewer, endpoint)) or self._found.get((Viewer(viewer.base), endpoint))

    def _fresh(self, found: FoundSchema, version: str | None) -> bool:
        return self._clock() < found.expires and version in (None, found.latest_version)

    async def _look(self, key: _Key, fetch: Fetch, version: str | None) -> FoundSchema | None:
        viewer, endpoint = key
        path = endpoint.schema_path
        names = [f"{viewer.base} {path}", f"{viewer.base} {viewer.key} {path}"]
        kept = cache.kept()
        found = await in_thread(cache.read, *names) if kept else None
        if found is None or not self._fresh(found, version):
            found = await self._fetch(key, fetch) or found
            if found is None or not self._fresh(found, version):
                self._failed(key)
            elif kept:
                await in_thread(cache.write, names[not found.public], found)
        if found is not None:
            self._found[Viewer(viewer.base) if found.public else viewer, endpoint] = found
        return found

    def _failed(self, key: _Key) -> None:
        """Keeps for a while that a look-up has failed; names may be invented by the thousands."""
        time = self._clock()
        self._not_before.pop(key, None)
        self._not_before[key] = time + RETRY_SECONDS
        for other, end in list(self._not_before.items()):
            if end > time:
                break
            del self._not_before[other]
            self._missing.pop(other, None)

    async def _fetch(self, key: _Key, fetch: Fetch) -> FoundSchema | None:
        endpoint = key[1]
        self._missing.pop(key, None)
        try:
            with anyio.fail_after(LOOK_UP_SECONDS):
                return await self._ask(endpoint, fetch)
        except NotFoundError as error:
            error.message += suggestion(endpoint.model)
            self._missing[key] = copy(error)
            why = str(error)
        except (AuthenticationError, PermissionDeniedError) as error:
            why = f"the key may not see them ({error.status_code})"
        except (APIError, ValueError) as error:
            why = str(error)
        except TimeoutError:
            why = f"no answer within {LOOK_UP_SECONDS:g} s"
        logger.warning(
            "The inputs of %s are not known: %s. The call goes on with the names that most models use.",
            endpoint.model or endpoint.path,
            why,
        )
        return None

    async def _ask(self, endpoint: Endpoint, fetch: Fetch) -> FoundSchema | None:
        path = endpoint.schema_path
        assert path is not None
        if isinstance(endpoint, VersionEndpoint):
            version = decoded(decode_version, await fetch(path))
            return self._read(version, endpoint.model, cache.VERSION_SECONDS)
        if isinstance(endpoint, DeploymentEndpoint):
            release = decoded(decode_deployment, await fetch(path)).current_release
            if release is None:
                raise APIError("the deployment has no release")
            if schema := catalogue.find(None, release.version):
                return FoundSchema(schema, self._clock() + cache.MODEL_SECONDS, release.version)
            version = decoded(
                decode_version, await fetch(f"/models/{release.model}/versions/{release.version}")
            )
            return self._read(version, release.model, cache.MODEL_SECONDS)
        model = decoded(decode_model, await fetch(path))
        if model.latest_version is None:
            raise APIError("the model has no version")
        found = self._read(model.latest_version, endpoint.model, cache.MODEL_SECONDS, model.example())
        return msgspec.structs.replace(found, public=model.visibility == "public")

    def _read(
        self, version: Version, model: str | None, seconds: float, example: object = None
    ) -> FoundSchema:
        schemas = version.schemas()
        if "Input" not in schemas:
            raise APIError("the version publishes no schema")
        schema = from_openapi(schemas, model=model, version=version.id, example=example)
        return FoundSchema(schema, self._clock() + seconds, version.id)
