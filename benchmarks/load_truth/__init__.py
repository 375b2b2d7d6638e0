"""What load generators say of a server, held against the server's own log of the same run.

`python -m benchmarks.load_truth`
"""
