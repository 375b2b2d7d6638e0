"""Train small image classifiers on Fashion-MNIST and publish them as SavedModels.

The way through the files, in the order a training run takes it: `recipes` (settings) →
`data` → `models` → `fit` → `evaluate` → `export` → `publish`.
"""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__ = _version("vitrine-training")
