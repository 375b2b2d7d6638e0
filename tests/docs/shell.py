"""Reads command lines as a shell would, as far as the pages need it."""

import re
import shlex


def words(line: str) -> list[list[str]]:
    """Splits a line into its commands, without assignments before them and files behind `>`."""
    split = shlex.shlex(re.sub(r"<(\w+)>", r"\1", line), posix=True, punctuation_chars=True)
    split.whitespace_split = True
    found: list[list[str]] = [[]]
    aside = False
    for word in split:
        if set(word) <= set("|&;()"):
            found.append([])
        elif set(word) <= set("<>"):
            aside = True
        elif aside:
            aside = False
        elif found[-1] or not re.match(r"\w+=", word):
            found[-1].append(word.removeprefix(".venv/bin/"))
    return [command for command in found if command]
