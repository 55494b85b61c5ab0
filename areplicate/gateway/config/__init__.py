"""Reads the configuration file, and makes the router that serves it."""
