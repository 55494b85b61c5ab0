"""Tools on any language model: read from a call, explained to the model, and its calls of them."""
