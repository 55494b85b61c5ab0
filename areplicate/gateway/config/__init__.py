"""The configuration file, and one loaded reading of it."""
