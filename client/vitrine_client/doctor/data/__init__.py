"""Checks of data: the data set, and the files of published models."""
