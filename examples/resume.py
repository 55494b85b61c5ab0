"""A job with a journal: run it again after Ctrl-C, and it goes on where it stopped."""

import areplicate

requests = [
    {"model": "meta/meta-llama-3-8b-instruct", "messages": [{"role": "user", "content": f"A word for {n}."}]}
    for n in range(50)
]
answers: dict[int, str] = {}
for result in areplicate.map(requests, journal="words.journal"):
    if result.response is None:
        answers[result.index] = f"failed: {result.error}"
    else:
        answers[result.index] = result.response.choices[0].message.content or ""
for index in sorted(answers):
    print(index, answers[index])
