"""Reads the configuration file, and makes the router that serves it.

`yaml_file` reads it with the line of each value, `settings` is what it may say, and `reading` makes the one of the
other, with errors that name their `place`; `config` is the whole. Of each entry of the model list, `entries` reads what
it calls, `providers` whose it is, and `pricing` what it costs, by the `prices`. `references` checks the names that others
name, `environment` replaces variables, and `database_url` and `account_settings` say where the data are. `backend` is
the router, and `looks` asks Replicate about the models.
"""
