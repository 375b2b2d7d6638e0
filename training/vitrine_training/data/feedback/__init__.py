"""Feedback: answers that people flagged as wrong, and the pictures that a model saw of them."""
