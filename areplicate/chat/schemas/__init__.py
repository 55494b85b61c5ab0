"""What models take and give: their schemas, and a catalogue of well-known models' schemas.

`schema` reads what a model publishes, `catalogue` has what is known without asking, `values` checks a value against an
input, and `media_inputs` finds the inputs for media.
"""
