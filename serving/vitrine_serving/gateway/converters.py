"""How model names look in addresses."""

from werkzeug.routing import BaseConverter


class ModelName(BaseConverter):
    """A path segment without the colon that separates a model from what is asked of it."""

    regex = "[^/:]+"
