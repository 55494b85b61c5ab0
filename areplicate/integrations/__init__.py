"""areplicate inside other libraries: LiteLLM, LangChain, LlamaIndex, llm and Ray.

`litellm`, `langchain`, `llamaindex`, `llm_plugin` and `ray` each belong to one of them. `ray_worker` asks on Ray's
machines, and `ray_ledger` keeps what the workers of a job share. `litellm_names` and `absent_names` are for programs
that say `import areplicate as litellm`.
"""

from __future__ import annotations

from typing import Any

STREAMED: Any = {"stream": True, "stream_options": {"include_usage": True}}
"""Arguments of a call whose answer comes as a stream, with its usage at the end."""
