"""Reliability of the gateway: too much load, a model server that dies, workers that are ended, a
long day; and of the model server, whose versions are swapped.

Tests run these for seconds, `make bench-reliability` and `make soak` for minutes.
"""
