"""One call: prepared, created, watched or streamed, asked once more, and never left running."""
