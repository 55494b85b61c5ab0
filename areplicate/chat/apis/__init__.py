"""Other APIs to and from chat completions: OpenAI's Responses and older Completions, and Anthropic's Messages.

Each is translated into the same question, messages and parameters of a chat completion, and from the same
answer, so that what one of them can do, all can.
"""
