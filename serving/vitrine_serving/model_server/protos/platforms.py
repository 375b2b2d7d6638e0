"""Platform file (`--platform_config_file`): which platforms it configures; how is for TensorFlow
Serving's adapters, whose messages are not here, and read no further than their braces."""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import platform_config_pb2

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.protos import text_protos

_ANY = "["
"""How the message in place of an Any begins: its type in brackets."""

_CLOSING = {"{": "}", "<": ">"}


def configured_platforms(path: Path) -> set[str]:
    """Returns the names of the platforms that a file configures. Raises `ServingError` where it is
    no PlatformConfigMap, in the words of `text_protos.read`."""
    try:
        text = " ".join(_without_adapters(text_protos.content(path).decode()))
        read = text_format.Parse(text, platform_config_pb2.PlatformConfigMap())
    except (text_format.ParseError, ValueError) as error:
        where = str(error) or "It is not UTF-8"
        raise ServingError.invalid(f"Invalid protobuf file: '{path}'", where) from error
    return set(read.platform_configs)


def _without_adapters(text: str) -> Iterator[str]:
    """Yields the words of a text, without messages in place of an Any: `[its type] { fields }`."""
    words = text_format.Tokenizer(text.splitlines())
    while not words.AtEnd():
        if words.token == _ANY:
            _skip(words, _ANY, "]")
            words.TryConsume(":")
            _skip(words, words.token, _CLOSING.get(words.token, "{"))
        else:
            yield words.token
            words.NextToken()


def _skip(words: text_format.Tokenizer, opening: str, closing: str) -> None:
    """Goes on behind the bracket that closes this one. Raises `ParseError` where none does."""
    words.Consume(opening if opening in (_ANY, *_CLOSING) else closing)
    depth = 1
    while depth:
        if words.AtEnd():
            raise text_format.ParseError(f"Expected '{closing}' at the end")
        depth += (words.token == opening) - (words.token == closing)
        words.NextToken()
