"""The chat formats of the model families, and the prompt templates that users bring."""
