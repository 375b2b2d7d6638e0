"""Data sets: Fashion-MNIST, found, checked and split."""
