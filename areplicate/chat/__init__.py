"""OpenAI's chat API to and from what a model on Replicate takes and gives. Nothing here does I/O.

Down: `messages` reads the conversation and `params` OpenAI's parameters, after `plain` has made built-in values of
other libraries'. `plan` says which of the model's inputs take what, `adapting` gives tools, answer format and stop
sequences the form that the model takes, `conversation` and `media` fill the inputs, and `inputs` makes the whole;
`frames` keeps what surrounds the question for the next one.

Up: `outputs` (for gpt-oss `channels`) parts thought and answer, `stops` cuts the answer, `contract` holds it to tools
and format, and `answers` and `chunks`, with `usage`, make OpenAI's objects of it, which are in `responses`; `parsed` is
for pydantic's classes. `embeddings` goes both ways for vectors, and `mocked` answers without a model.
"""
