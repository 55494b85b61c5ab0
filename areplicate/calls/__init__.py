"""One call: prepared, created, waited for or streamed, asked again if need be, and never left running."""
