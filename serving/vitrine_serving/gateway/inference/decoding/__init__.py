"""Decoding of pictures, in processes of its own."""
