"""Replicate's HTTP API, carefully: predictions created once, watched, streamed and cancelled. It knows
nothing of chat.

`client` is the front door. `creation` makes one prediction, and `marks` finds it again in the account's
`prediction_list` if the answer was lost. `poller` waits for it (`bulk_poller` for many), `streaming` reads it as it is
written. `live` has all that are under way and cancels those that nobody wants. `http` sends every request, within
the `limits`.
"""
