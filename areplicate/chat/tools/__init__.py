"""Tools on any language model: what a call offers, how it is told to the model, what the model calls."""
