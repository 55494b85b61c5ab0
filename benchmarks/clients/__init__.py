"""The clients, each as a worker in a process of its own: `python -m benchmarks.clients.NAME SCENARIO JSON`.

These modules run in the clients' own environments and import nothing but the standard library, uvloop and
the client itself.
"""
