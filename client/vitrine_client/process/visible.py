"""Visible text: characters that a terminal or a log's reader would obey become escapes.

Names, labels and messages are other people's: a server's, a model's, a file's. And what a message
quotes of a setting may be an address with a password in it.
"""

import re

# Control characters (C1 among them: 0x9b begins an escape sequence), lines' and paragraphs' ends,
# and what turns the direction of writing: https://trojansource.codes
_BEYOND_LINES = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_HIDDEN = re.compile(f"[\x00-\x1f{_BEYOND_LINES}\ud800-\udfff]")
# Bounded, so that no text takes long.
_USER_AND_PASSWORD = re.compile(r"(:/{1,2})[^\s/?#@:]{0,256}:[^\s/?#@]{0,256}@")
_HIDDEN_IN_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{_BEYOND_LINES}]")


def visible(text: str) -> str:
    """Returns a text in one line, with what is hidden as JSON writes it: in a JSON string it still
    means the same."""
    return _HIDDEN.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """Returns a text that may have several lines and tabs, and halves of surrogate pairs, which are
    bytes of names of files; addresses in it are without user and password."""
    if "@" in text:
        text = _USER_AND_PASSWORD.sub(r"\1", text)
    return _HIDDEN_IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
