"""The chat formats of the model families, and the prompt templates that users bring.

`table` has a line for each family, made of the `shapes`, the `tool_forms` and the `published_texts`. `format` is what
such a line makes: it writes a conversation, whose turns `arrangement` puts into order, as one text. `tool_format` writes
tools in it, each in a way of `definitions`. `families` finds a model's family, and `decision` decides which format the
model gets. `templates` takes those of users, which `jinja` renders if they are Jinja's.
"""
