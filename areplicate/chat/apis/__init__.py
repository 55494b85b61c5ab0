"""Other APIs to and from chat completions: OpenAI's Responses and older Completions, and Anthropic's Messages.

Each request is translated into the messages and parameters of a chat completion, and each answer from one, so that
every API can do what the others can.

`messages_input` and `responses_input` translate requests, `messages_output` and `responses_output` answers, and
`completions` both. `responses_tools` and `messages_tools` make functions of tools that have no schema. `chat_arguments`
has what the requests have in common, and `answer_builder` is what makes an answer.
"""
