"""Import of classifiers that others trained: loaded, looked at, and published as versions.

MODEL → limits → loading → inspection → measurement → publication
"""


class ImportRefused(Exception):
    """The model is not imported; the message is a sentence that says why, and what to do."""
