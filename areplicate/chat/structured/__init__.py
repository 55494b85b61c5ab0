"""Structured output on any language model: asked for in its own way, taken out of its answer, checked."""
