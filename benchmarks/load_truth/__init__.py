"""Load generators' figures of a server, held against the server's own log of the same run.

`python -m benchmarks.load_truth`
"""
