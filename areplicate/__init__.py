"""Any language model on Replicate as if it were OpenAI's chat API."""

__version__ = "0.1.0"
