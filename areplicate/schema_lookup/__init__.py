"""Finds a model's schema: in the catalogue, among those looked up before, or through the API."""
