"""The tools of Anthropic's Messages API that its clients run and Claude knows without a schema.

Source: "Bash tool", "Text editor tool" and "Memory tool" in Anthropic's documentation.
"""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_NEW_NAME_SINCE = "text_editor_20250728"
"""The version of the editor since which what `insert` inserts is `insert_text`; in those before it is `new_str`."""


def _takes(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _commands(*names: str) -> dict[str, Any]:
    return {"type": "string", "enum": ["view", "create", "str_replace", "insert", *names]}


def _said(text: str, kind: str = "string") -> dict[str, Any]:
    return {"type": kind, "description": text}


_FILES = {
    "path": _TEXT,
    "view_range": {"items": {"type": "integer"}, **_said("For view: the first and the last line.", "array")},
    "file_text": _said("For create."),
    "old_str": _said("For str_replace: what stands exactly once in the file."),
    "new_str": _said("For str_replace."),
    "insert_line": _said("For insert: the line behind which; 0 is the beginning.", "integer"),
    "insert_text": _said("For insert."),
}
_BASH = _takes([], command=_TEXT, restart=_said("Instead of a command: a new shell.", "boolean"))
_EDITOR = _takes(["command", "path"], command=_commands(), **_FILES)
_OLDER_FILES = {**_FILES, "new_str": _said("For str_replace and insert.")}
del _OLDER_FILES["insert_text"]
_OLDER_EDITOR = _takes(["command", "path"], command=_commands(), **_OLDER_FILES)
_MEMORY = _takes(
    ["command"],
    command=_commands("delete", "rename"),
    **_FILES,
    old_path=_said("For rename."),
    new_path=_said("For rename."),
)
_TOOLS = {
    "bash": ("Runs a command in a shell that stays open between the calls.", _BASH),
    "text_editor": ("Shows, creates and changes files; view lists a folder, too.", _EDITOR),
    "memory": ("Keeps notes in files below /memories: read there first what is known of the task.", _MEMORY),
}


def known_tool(kind: str) -> dict[str, Any] | None:
    """The description and the schema of a tool by its type, such as `bash_20250124`; None if it is not one of these."""
    name, _, version = kind.rpartition("_")
    if name not in _TOOLS or not version.isdigit():
        return None
    description, schema = _TOOLS[name]
    if name == "text_editor" and kind < _NEW_NAME_SINCE:
        schema = _OLDER_EDITOR
    return {"description": description, "input_schema": schema}
