"""JSON from any language model: asked for as each model takes it, found in its answer, and checked."""
