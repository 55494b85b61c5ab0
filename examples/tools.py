"""A model that calls a function: on models without tools of their own, too."""

import json

from areplicate import completion

TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

messages = [{"role": "user", "content": "What time is it in Rome?"}]
response = completion("meta/meta-llama-3-8b-instruct", messages, tools=[TIME])
message = response.choices[0].message
for call in message.tool_calls or []:
    arguments = json.loads(call.function.arguments)
    print(f"the model calls {call.function.name}({arguments})")
if not message.tool_calls:
    print(message.content)
