"""Many calls as one job: checked, asked as fast as the limits allow, and kept in a journal.

`map` runs calls side by side; with `journaled`, what they ask and answer is kept in a `journal`. A `job` is a file of
questions: `reading` gives its lines, `inputs` its questions, `checking` looks at all of them beforehand, `tally` counts
meanwhile, and `outputs` and `writing` make the file of answers.
"""
