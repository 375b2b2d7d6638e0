"""Accuracy that is left of pictures as people send them, kind by kind.

`make bench-photos` draws the same test images in every kind of `vitrine_training.photos`, finds the
item of each picture as the client and the gateway do, and asks every model what it is.
"""
