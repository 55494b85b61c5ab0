"""Who asks, what they may, and what it cost.

`auth` finds out who asks; `keys` is what a key may do, and `key_limits` how each limit is counted: in the `ledger` of one
process, or by `counting` in the database. `accounts` has all of that for one process, and `account` for one request,
with its `bill` and its `record`; `costs` estimates what it will take. `store` is the database as the gateway uses it
(`tables`, `key_store`, `usage`, `reports`, `batch_store`, `response_store`), and `database` runs its work, in a
`transaction` of one of the `dialects`. `folder` has uploaded files, and `held_bodies` counts what requests in flight hold.
"""
