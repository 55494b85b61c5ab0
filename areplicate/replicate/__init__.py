"""Replicate's HTTP API, carefully: predictions created once, watched, streamed and cancelled. It knows
nothing of chat.

`client` is the front door; `clients` has one for each key and base. `creation` makes one prediction at one of the
`endpoints`, and `marks` finds it again in the account's `prediction_list`, by the `server_clock`, if the answer was
lost. `poller` waits for it (`bulk_poller` for many); `streaming` reads it as it is written, from an `event_stream` and
from looks, which `text_assembly` puts together. `live` has all that are under way, and has those that nobody wants
cancelled (`cancelling`) in `background` tasks, which `endings` ends. `http` sends every request with its `credentials`,
within the `limits`, and again as `retry` says, or as `first_contact` says if the base has never answered. `versions`
knows by which version a community model is called, `progress` how far a completion has come, and `waiter` is an event
that one task waits for.
"""
