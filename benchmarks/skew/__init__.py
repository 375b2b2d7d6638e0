"""Train/serve skew: how far what a model sees when it serves is from what it was trained with.

`make bench-skew` draws photos of Fashion-MNIST's items in colour, trains a small network with the
pixels of each common way to read a folder, and asks it about other photos, as that way reads them
and as `vitrine_client.images.preprocessing` does by a profile, the right one and wrong ones.
"""
