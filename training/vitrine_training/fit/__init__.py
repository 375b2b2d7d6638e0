"""Fitting: the training loop, data augmentation, checkpoints and the verdict on a run."""
