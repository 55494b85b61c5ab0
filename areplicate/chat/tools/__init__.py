"""Tools on any language model: read from a call, explained to the model, and its calls of them.

`tools` reads those that are offered, and `telling` explains them to a model without an input for them. `reader` finds
the `marks` of calls in an answer, `notations` reads what stands between them (`tags` and `pythonic` are the larger
ones), and `checking` holds it to the tools.
"""
