"""Many calls as one job: checked, asked as fast as the limits allow, and kept in a journal.

`map` runs calls side by side, for the `requests` that it is given, and shows their `progress`; with `journaled`, what
they ask and answer is kept in a `journal`, which lies in a `journal_file`, and `intents` say which predictions an
earlier run has asked for. A `job` is a file of questions: `reading` gives its lines, `inputs` its questions, each for
one of OpenAI's `apis`; `checking` looks at all of them beforehand, `tally` counts meanwhile, and `outputs` and
`writing` make the file of answers.
"""
