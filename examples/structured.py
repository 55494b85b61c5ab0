"""An answer that fits a JSON schema: `pip install 'areplicate[schema]'`."""

import json

from areplicate import APIError, completion

CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "inhabitants": {"type": "integer"}},
    "required": ["name", "inhabitants"],
}

try:
    response = completion(
        "meta/meta-llama-3-8b-instruct",
        [{"role": "user", "content": "Which is the largest city of Italy?"}],
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}},
    )
    city = json.loads(response.choices[0].message.content or "")
    print(city["name"], city["inhabitants"])
except APIError as error:  # the model wrote something else, twice
    print(error)
