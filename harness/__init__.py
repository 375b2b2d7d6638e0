"""Harness of tests and benchmarks: servers on free ports, simulated ones, waits with deadlines.

Both import it; it imports neither, and no pytest.
"""
