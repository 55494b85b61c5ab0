"""An answer as it is written."""

from areplicate import completion

stream = completion(
    "meta/meta-llama-3-8b-instruct", [{"role": "user", "content": "Tell me a story."}], stream=True
)
with stream:  # leaving it early would cancel the prediction
    for chunk in stream:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
