"""HTTP connections to Replicate: what a transport is, two of them, and the proxies that they go through."""
