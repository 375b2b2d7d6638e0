"""Generated `models.config`: `vitrine-serve` writes it at each start, until a label is in it.

Needs no protobuf: it looks at the text alone.
"""

from pathlib import Path

MARK = "# Written by vitrine-serve at each start, as long as no version label is in it.\n"
"""First line of the file."""

_FIRST_WORDS = MARK.partition(",")[0]


def is_generated(text: str) -> bool:
    """Whether the next start writes a file with this text again, with all that is published."""
    return text.startswith(_FIRST_WORDS) and "version_labels" not in text


def is_named(config: Path, model: str) -> bool:
    """Whether a file names a model, or there is no file, so that all are served."""
    try:
        return f'name: "{model}"' in config.read_text()
    except (OSError, ValueError):
        return True


def how_to_serve(config: Path) -> str:
    """Returns what has a model served that is published and not in the file."""
    try:
        generated = is_generated(config.read_text())
    except (OSError, ValueError):
        generated = True
    if generated:
        return "a service that runs serves it from its next start on (`vitrine-serve up`)"
    return f"{config} decides what is served; add it there"
