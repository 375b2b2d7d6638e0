"""Unseen kinds of pictures: thought of apart from those that training draws, to measure with."""
