"""A conversation that remembers what was said."""

from areplicate import completion

messages = [{"role": "system", "content": "Answer in one sentence."}]
for question in ("Who left Troy?", "And who waited for him?"):
    messages.append({"role": "user", "content": question})
    response = completion("meta/meta-llama-3-8b-instruct", messages)
    answer = response.choices[0].message.content or ""
    messages.append({"role": "assistant", "content": answer})
    print(f"> {question}\n{answer}")
