"""HTTP as the gateway speaks it: routing, bodies, events, errors, the OpenAPI document.

`listener` takes in clients, as long as there is room among the `connections`; `dispatch` takes each request
(`exchange`) to its `route`, if `origins` lets a web page ask it. `bodies` and `uploads` read what is sent; `events`
streams answers, which `beats` keeps alive; `anthropic` has the errors of that API, and `openapi` describes all routes.
"""
