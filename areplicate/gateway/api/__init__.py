"""The routes, a file for each group of them.

`routes` has all: those of `chat`, `completions`, `embeddings`, `responses`, `messages`, `files`, `batches`, `models`,
`keys`, `spend` and `health`. `model_call` makes a call of a request, `streaming` streams its answer, and `fields` has
what several requests and answers have in common.
"""
