"""Sweeps: recipes, settings and sizes, each trained with several seeds and compared on validation.

`plan` has the runs, `folder` the folder that they are kept in, `training` starts a process for
each, `results` reads their cards, `ranking` compares, and `page` draws. TensorFlow is in the
processes of the runs alone.
"""
