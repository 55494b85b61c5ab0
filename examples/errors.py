"""What can go wrong, and what to do."""

from areplicate import APIError, BadRequestError, NotFoundError, RateLimitError, completion

HELLO = [{"role": "user", "content": "Hello"}]

for model, options in (
    ("nobody/no-such-model", {}),
    ("meta/meta-llama-3-8b-instruct", {"temperature": "hot"}),
    ("meta/meta-llama-3-8b-instruct", {"temprature": 0.5}),
    ("meta/meta-llama-3-8b-instruct", {}),
):
    try:
        print(completion(model, HELLO, **options).choices[0].message.content)
    except NotFoundError as error:
        print("no such model:", error.message)
    except BadRequestError as error:
        print("a mistake in the call:", error.message)
    except RateLimitError as error:
        print("try again in", error.retry_after, "seconds")
    except APIError as error:
        print("it failed:", error.status_code, error.message)
