"""areplicate inside other libraries: LiteLLM, LangChain, LlamaIndex, llm and Ray."""

from __future__ import annotations

from typing import Any

STREAMED: Any = {"stream": True, "stream_options": {"include_usage": True}}
"""Arguments of a call whose answer comes as a stream, with its usage at the end."""
