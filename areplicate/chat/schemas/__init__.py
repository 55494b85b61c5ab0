"""What models take and give: their schemas, and a catalogue of well-known models' schemas."""
