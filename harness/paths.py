"""Paths of the checkout, and the pictures in it."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
SAMPLES = sorted((ROOT / "samples").glob("*.png"))
PICTURE = SAMPLES[0].read_bytes()
"""An ankle boot."""
