"""The OpenAI-compatible server: `areplicate --config config.yaml`.

Every client of OpenAI's API (its SDKs, curl, LangChain, editors) talks to Replicate's models through it, with keys,
limits, budgets and figures. It needs the extra: `pip install 'areplicate[gateway]'`.

`command` starts one `server`, or several as `workers`. A server listens, with `tls` or without, and runs the `app`,
which all requests share: `upstream` counts what they ask Replicate, `metrics` and `logs` tell what happens, and
`errors` are written as OpenAI's API has them, in the words of `mismatch` if a value is wrong. `early_signals`,
`descriptors` and `memory` see to the process, and `addresses` reads URLs and hosts.
"""
