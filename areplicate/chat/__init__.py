"""OpenAI's chat API to and from what a model on Replicate takes and gives. Nothing here does I/O."""
