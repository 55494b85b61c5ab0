"""OpenAI's batches: files of requests that are answered in the background.

`batches` has those that a process works on, each of them with a `lease`. `work` takes one from the `checking` of its
file, through `asking` its requests, to its `results`.
"""
