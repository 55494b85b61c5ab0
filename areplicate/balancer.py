"""One name for several models: sharing the load between them, and falling back to others.

The configuration is LiteLLM's `model_list` and `fallbacks`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import anyio

from .calls.call import Answering, Call, answer
from .calls.candidates import Answer, Ask, first_answer
from .calls.streams import CompletionStream
from .chat.plain import plain, shown
from .clock import now
from .errors import APIError, BadRequestError, ContextWindowExceededError, PredictionCanceledError, Timeout
from .model_names import ModelNames, model_meant
from .options.environment import UnsetVariable, with_variables
from .options.given import Given, read_keywords
from .options.values import is_number, wrong
from .replicate.creation import INTENTS
from .replicate.limits import Limiter
from .replicate.live import Live
from .schema_lookup.endpoint import endpoint_of

ALLOWED_FAILS = 3
COOLDOWN_TIME = 30.0
_SHOWN = 20
"""Names that a message shows at most."""

_MEANT_FOR_THE_BALANCER = ("model", "rpm", "weight", "max_parallel_requests")

_NOT_ABOUT_HEALTH = (BadRequestError, PredictionCanceledError, Timeout)
"""Errors that say nothing about an entry's health."""


def _fails_anywhere(error: APIError) -> bool:
    """Whether another entry would fail, too; another model may read a longer conversation."""
    bad = isinstance(error, BadRequestError) and not isinstance(error, ContextWindowExceededError)
    return bad or isinstance(error, PredictionCanceledError)


Prepare = Callable[[str, Given], Awaitable[Call | Answering]]
"""Prepares a call: of a model, with an entry's own parameters."""


class Entry:
    """One model of a group, or a wildcard's many, with its load and its health."""

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        try:
            given = with_variables(dict(given), os.environ.get)
        except UnsetVariable as error:
            key = ".".join(map(str, error.steps))
            raise BadRequestError(f"{key} of {name!r}: {error}", param=key) from None
        self.name = name
        self.model = _required(name, given)
        self.id = self.model
        """The same in each process, and no other entry's."""
        self.weight = _number(name, given, "weight") or 1.0
        self.params = {key: value for key, value in given.items() if key not in _MEANT_FOR_THE_BALANCER}
        rpm = _number(name, given, "rpm")
        self.rpm = Limiter(rpm) if rpm else None
        most = _number(name, given, "max_parallel_requests")
        self.parallel = anyio.Semaphore(int(most)) if most else None
        self.calls_in_flight = 0
        self.fails = 0
        self.cools_until = float("-inf")

    @cached_property
    def given(self) -> Given:
        """The entry's parameters, read as the keywords of a call when it is first asked."""
        return read_keywords(self.params)

    def cooling(self) -> bool:
        return now() < self.cools_until

    async def enter(self, deadline: float, live: Live) -> None:
        """Waits for a turn to ask this entry; end the turn with `leave`.

        Raises:
            Timeout, RateLimitError: no turn comes before `deadline`.
        """
        late = "The deadline passed while no entry was free."
        if self.parallel is not None:
            await live.wait_for(self.parallel.acquire, deadline, late)
        self.calls_in_flight += 1
        if self.rpm is not None:
            try:
                await live.wait_for(partial(self.rpm.acquire, deadline), deadline, late)
            except BaseException:
                self.leave()
                raise

    def leave(self) -> None:
        self.calls_in_flight -= 1
        if self.parallel is not None:
            self.parallel.release()

    def burden(self) -> tuple[bool, float, float]:
        """How little it should be asked next: first whether a call would wait, then its load, then chance.

        Of exponential random numbers, each entry's is the smallest as often as its weight says.
        """
        return self.full(), self.calls_in_flight / self.weight, random.expovariate(self.weight)

    def full(self) -> bool:
        """Whether a call would have to wait here."""
        return bool((self.parallel and self.parallel.value == 0) or (self.rpm and not self.rpm.ready()))


class Balancer:
    """The groups of a `model_list`.

    Args:
        live: what waits for a turn.
        model_list: `[{"model_name": "llama-3", "litellm_params": {"model": ..., ...}}, ...]`; several
            entries of one name share the load, and a name such as `replicate/*` is a wildcard. In
            `litellm_params`, `rpm` (requests a minute), `weight` and `max_parallel_requests` are for sharing;
            the rest are defaults of the call.
        fallbacks: `[{"llama-3": ["mistral"]}]`: names to try when all entries of one have failed.
        allowed_fails: how many failures in a row an entry may have; with the next one it is left alone.
        cooldown_time: seconds for which it is left alone.
    """

    def __init__(
        self,
        live: Live,
        model_list: Iterable[Mapping[str, Any]] | None = None,
        fallbacks: Iterable[Mapping[str, Sequence[str]]] | None = None,
        allowed_fails: int = ALLOWED_FAILS,
        cooldown_time: float = COOLDOWN_TIME,
    ) -> None:
        self._live = live
        entries: list[Entry] = []
        of_model: Counter[str] = Counter()
        listed = _mappings("model_list", model_list, '{"model_name": "llama-3", "litellm_params": {...}}')
        for index, item in enumerate(listed):
            name = item.get("model_name")
            if not isinstance(name, str) or not isinstance(item.get("litellm_params"), Mapping):
                raise BadRequestError(
                    f"model_list[{index}] needs a model_name, which is a string, and litellm_params, which is a mapping.",
                    param="model_list",
                )
            entry = Entry(name, item["litellm_params"])
            if same := of_model[entry.model]:
                entry.id = f"{entry.model} {same}"
            of_model[entry.model] += 1
            entries.append(entry)
        self.has_names = bool(entries)
        """Whether there is any name: most routers have none, and ask nothing here."""
        alternatives = _mappings("fallbacks", fallbacks, '{"llama-3": ["mistral"]}')
        read_ones = {name: _names(name, others) for each in alternatives for name, others in each.items()}
        self._names = ModelNames(entries, read_ones)
        for name in [*read_ones, *(other for others in read_ones.values() for other in others)]:
            if name not in self and not (name in read_ones and name in self._names.wildcards):
                raise BadRequestError(
                    f"fallbacks names {shown(name)}, which is not in model_list.", param="fallbacks"
                )
        self._allowed_fails = _at_least_0("allowed_fails", allowed_fails)
        self._cooldown_time = _at_least_0("cooldown_time", cooldown_time)

    def __contains__(self, model: str) -> bool:
        return isinstance(model, str) and model in self._names

    def check_other(self, model: str) -> None:
        """Raises `BadRequestError` for what is neither a name of the list nor a model string."""
        try:
            endpoint_of(model)
        except BadRequestError as error:
            error.message += f" The names in model_list are {', '.join(self._names.listed[:_SHOWN])}."
            raise

    def knows(self, model: str, fallbacks: Any) -> bool:
        """Whether the model and all of these are names of the list."""
        return model in self and isinstance(fallbacks, list) and all(name in self for name in fallbacks)

    async def call(
        self, name: str, prepare: Prepare, deadline: float, fallbacks: Sequence[str] | None = None
    ) -> Answer:
        """Asks an entry of the group, then the others, then those of its fallbacks, until `deadline`.

        `prepare` takes a model string and the entry's own parameters. What would fail anywhere (a bad
        request) is raised at once; of several failures the last. `fallbacks` are this call's own.
        """

        def passes(error: APIError) -> bool:
            return not (_fails_anywhere(error) or now() >= deadline or self._live.closed)

        if fallbacks is None:
            fallbacks = self._names.fallbacks_of(name) or ()
        return await first_answer(self._asks([name, *fallbacks], prepare, deadline), passes)

    def _asks(self, groups: list[str], prepare: Prepare, deadline: float) -> Iterator[Ask]:
        """Asks one entry after the other; each is picked when those before it have failed.

        First come those that an earlier process has asked for the same request: their predictions are paid.
        """
        intents = INTENTS.get()
        earlier = () if intents is None else intents.earlier()
        if earlier:
            groups.sort(key=lambda group: not any(entry.id in earlier for entry in self._entries_of(group)))
        first = True
        for group in groups:
            tried: list[Entry] = []
            while (entry := self._pick(group, tried, earlier, last_resort=first)) is not None:
                tried.append(entry)
                yield partial(self._ask, entry, group, prepare, deadline)
                first = False

    def _entries_of(self, group: str) -> Sequence[Entry]:
        found = self._names.find(group)
        return () if found is None else found[1]

    def _pick(
        self, group: str, tried: list[Entry], earlier: Collection[str], last_resort: bool
    ) -> Entry | None:
        """One that was asked `earlier`, else the least busy entry, and among equals one at random by weight.

        An entry that cools down is taken only as a last resort: if nothing else has been tried.
        """
        left = [entry for entry in self._entries_of(group) if entry not in tried]
        if earlier and (asked := [entry for entry in left if entry.id in earlier]):
            return asked[0]
        well = [entry for entry in left if not entry.cooling()]
        if well:
            return well[0] if len(well) == 1 else min(well, key=Entry.burden)
        return min(left, key=lambda entry: entry.cools_until) if last_resort and not tried else None

    async def _ask(self, entry: Entry, group: str, prepare: Prepare, deadline: float) -> Answer:
        model = model_meant(entry, group) or entry.model
        try:
            await entry.enter(deadline, self._live)
            return await self._answer_of(entry, model, prepare)
        except APIError as error:
            if not _fails_anywhere(error):
                error.about(group, None)
            raise

    async def _answer_of(self, entry: Entry, model: str, prepare: Prepare) -> Answer:
        if (intents := INTENTS.get()) is not None:
            intents.entry = entry.id
        try:
            answered = await answer(await prepare(model, entry.given))
        except BaseException as error:
            self._ended(entry, error)
            raise
        finally:
            if intents is not None:
                intents.entry = None
        if isinstance(answered, CompletionStream):
            answered.when_ended(partial(self._ended, entry))
        else:
            self._ended(entry, None)
        return answered

    def _ended(self, entry: Entry, error: BaseException | None) -> None:
        entry.leave()
        if error is None or isinstance(error, APIError):
            self._count_failure(entry, error)

    def _count_failure(self, entry: Entry, error: APIError | None) -> None:
        """Counts failures in a row, of what says something about the entry.

        Bad requests and deadlines do not; nor does one of a wildcard's many models say anything about the others.
        """
        if error is None or "*" in entry.name:
            entry.fails = 0
        elif not isinstance(error, _NOT_ABOUT_HEALTH):
            entry.fails += 1
            if entry.fails > self._allowed_fails:
                entry.fails = 0
                entry.cools_until = now() + self._cooldown_time


def _mappings(name: str, given: Any, such_as: str) -> list[Mapping[str, Any]]:
    read = plain(given, name)
    if read is None:
        return []
    entries: list[Any] = list(read) if isinstance(read, Iterable) else [None]
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise wrong(name, given, f"a list such as [{such_as}]")
    return entries


def _names(name: str, others: Any) -> list[str]:
    if not isinstance(others, (list, tuple)) or not all(isinstance(other, str) for other in others):
        raise wrong("fallbacks", [{name: others}], 'a list such as [{"llama-3": ["mistral"]}]')
    return list(others)


def _at_least_0(name: str, value: Any) -> float:
    if not is_number(value) or not value >= 0:
        raise wrong(name, value, "a number, at least 0")
    return float(value)


def _required(name: str, given: Mapping[str, Any]) -> str:
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequestError(f"litellm_params of {name!r} needs a model.")
    return model


def _number(name: str, given: Mapping[str, Any], key: str) -> float | None:
    value = given.get(key)
    if value is None:
        return None
    if not is_number(value) or value <= 0:
        raise BadRequestError(f"{key} of {name!r} must be a positive number, not {shown(value)}.", param=key)
    return float(value)
