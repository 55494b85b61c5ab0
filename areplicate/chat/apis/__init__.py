"""Other chat APIs to and from chat completions: OpenAI's Responses API and Anthropic's Messages API.

Each is translated into the same question, messages and parameters of a chat completion, and from the same
answer, so that what one of them can do, all can.
"""
