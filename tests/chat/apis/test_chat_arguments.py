"""What both of the other APIs make of a chat completion's own parameters."""

from __future__ import annotations

from typing import Any

import pytest

from areplicate.chat.apis import messages_input, responses_input

BODIES: dict[Any, dict[str, Any]] = {
    messages_input: {"messages": [{"role": "user", "content": "Hello"}]},
    responses_input: {"input": "Hello"},
}


@pytest.mark.parametrize("api", BODIES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("functions", [{"name": "f", "parameters": {}}]),
        ("function_call", "auto"),
        ("stream_options", {"include_usage": False}),
    ],
)
def test_what_their_answers_have_no_place_for_is_left_out(api: Any, name: str, value: Any) -> None:
    """A second answer was paid and written behind the first; a call in the older form was lost, or a failure."""
    assert api.read_request({**BODIES[api], name: value, "top_k": 5}).params == {"top_k": 5}
