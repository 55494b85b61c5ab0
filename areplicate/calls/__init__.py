"""One call: prepared, created, waited for or streamed, asked again if need be, and never left running.

`preparing` makes a call of what a caller gives, with the files that `attachments` reads. `call` carries it out, and
`streams` gives its answer in chunks. `reasking` asks once more where an answer does not fit, `candidates` asks the next
model where one fails, and `embeddings` makes one call's predictions for many texts.
"""
