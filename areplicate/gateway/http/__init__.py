"""HTTP as the gateway speaks it: routing, bodies, events, errors, the OpenAPI document."""
