"""Finds a model's schema: in the catalogue, among those looked up before, or through the API.

`endpoint` knows what a model string means, `store` has the schemas of a router's models, and `cache` keeps them on
disk.
"""
