"""JSON from any language model: asked for as each model takes it, found in its answer, and checked.

`response_format` is what a caller asks for. `json_reader` finds the JSON, and `validation` checks it, as long as
`validation_work` counts few enough steps; `references` puts a schema's references into the form that validators read.
"""
