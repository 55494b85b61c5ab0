"""Every option of a call: declared once, in `declared`; read, in `given`; checked, in `values` and `access`.

`unknown_names` says what other keywords mean, and `other_clients` which of them are options elsewhere. `client_fields`
lets pass what a gateway's client may set, and `environment` reads what stands in variables. `call_types` and
`signature` tell editors, type checkers and `help()` of the options.
"""
