"""Measurements: each module prints its figures and writes them to `benchmarks/results/`."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # counts only before TensorFlow's first import
