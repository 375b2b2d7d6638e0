"""Peers: servers that are put under the same load, each with its own environment or checkout."""
