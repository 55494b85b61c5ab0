"""OpenAI's chat API to and from what a model on Replicate takes and gives. Nothing here does I/O.

Down: `messages` reads the conversation, `plan` says which of the model's inputs take what, `adapting` gives tools,
answer format and stop sequences the form that the model takes, `conversation` and `media` fill the inputs, and `inputs`
makes the whole. Up: `outputs` (for gpt-oss `channels`) parts thought and answer, `contract` holds the answer to tools
and format, and `answers` and `chunks` make OpenAI's objects of it, which are in `responses`.
"""
