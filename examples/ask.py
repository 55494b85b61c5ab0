"""One question."""

from areplicate import completion

response = completion(
    model="meta/meta-llama-3-8b-instruct",
    messages=[{"role": "user", "content": "Why is the sky blue?"}],
    max_tokens=200,
)
print(response.choices[0].message.content)
