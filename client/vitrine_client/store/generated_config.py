"""Generated `models.config`: `vitrine-serve` writes it at each start, until a label is in it.

Needs no protobuf: it looks at the text alone.
"""

import json
from pathlib import Path

from vitrine_client.store.shared_files import content_of

MARK = "# Written by vitrine-serve at each start, as long as no version label is in it.\n"
"""First line of the file."""

_FIRST_WORDS = MARK.partition(",")[0]


def is_generated(text: str) -> bool:
    """Whether the next start writes a file with this text again, with all that is published."""
    return text.startswith(_FIRST_WORDS) and "version_labels" not in text


def is_named(config: Path, model: str) -> bool:
    """Whether a file names a model, or there is no file, so that all are served."""
    try:
        return f"name: {_quoted(model)}" in content_of(config).decode()
    except (OSError, ValueError):
        return True


def entry(models_dir: Path, model: str) -> str:
    """Returns a model's entry in a file's `model_config_list`."""
    base = _quoted(str((models_dir / model).absolute()))
    return f'config {{ name: {_quoted(model)} base_path: {base} model_platform: "tensorflow" }}'


def _quoted(text: str) -> str:
    """Returns a string of the text format of protobuf, which has JSON's escapes."""
    return json.dumps(text, ensure_ascii=False)


def how_to_serve(config: Path, model: str) -> str:
    """Returns the instruction to serve a model that is published beside the file and not in it."""
    try:
        generated = is_generated(content_of(config).decode())
    except (OSError, ValueError):
        generated = True
    if generated:
        return "a service that runs serves it from its next start on (`vitrine-serve up`)"
    return (
        f"{config} decides what is served; add to its model_config_list: "
        f"{entry(config.parent, model)}"
    )
