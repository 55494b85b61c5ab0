"""The phases of a call, and a time-out of its own."""

from areplicate import Status, Timeout, completion


def show(status: Status) -> None:
    print(f"{status.seconds:6.1f} s  {status.phase}")


try:
    response = completion(
        "meta/meta-llama-3-8b-instruct",
        [{"role": "user", "content": "Hello"}],
        timeout=600,
        on_status=show,
    )
    print(response.choices[0].message.content)
except Timeout as error:
    print(error)
