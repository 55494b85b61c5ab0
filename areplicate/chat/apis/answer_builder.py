"""An API's answer as it grows out of a chat completion's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from ..chunks import deltas_of
from ..responses import Delta, FinishReason, ModelResponse, Run, ToolCallDelta, Usage

Event = dict[str, Any]
"""One server-sent event of an API, by its `type`."""


class AnswerBuilder(ABC):
    """Takes what an answer adds, and gives an API's events for it.

    Attributes:
        answer: the whole as it is by now; its `model` has the name that the client knows the model by.
        stop_sequence: the one that has ended its text.
    """

    answer: dict[str, Any]
    stop_sequence: str | None = None

    def answered_by(self, model: str) -> None:
        """Another model answers than was asked."""
        self.answer["model"] = model

    def ran(self, runs: Sequence[Run]) -> None:
        """What the answer took, before its end."""
        for run in runs:
            self.stop_sequence = run.stop_sequence

    @abstractmethod
    def begin(self) -> list[Event]: ...

    def add(self, delta: Delta) -> list[Event]:
        """The events for what a chunk adds."""
        events: list[Event] = []
        if delta.reasoning_content:
            events += self._reasoning(delta.reasoning_content)
        if delta.content:
            events += self._text(delta.content)
        for call in delta.tool_calls or ():
            events += self._call(call)
        return events

    @abstractmethod
    def end(self, finish_reason: FinishReason, usage: Usage | None) -> list[Event]: ...

    @abstractmethod
    def _reasoning(self, text: str) -> Iterable[Event]: ...

    @abstractmethod
    def _text(self, text: str) -> Iterable[Event]: ...

    @abstractmethod
    def _call(self, call: ToolCallDelta) -> Iterable[Event]: ...

    def build(self, response: ModelResponse) -> dict[str, Any]:
        """The answer that a whole completion makes: the one that its events would have built."""
        self.answered_by(response.model)
        choice = response.choices[0]
        for delta in deltas_of(choice.message):
            self.add(delta)
        self.ran(response.replicate)
        self.end(choice.finish_reason, response.usage)
        return self.answer
