"""Examples: Python compiles and JSON parses.

tests/e2e/test_docs_examples.py runs blocks of `python`, not of `py`, which change the process.
"""

import ast
import importlib
import json

import pytest

from tests.docs.pages import PAGES, fences

BLOCKS = [
    pytest.param(language, content, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, (language, content) in enumerate(fences(text))
    if language in ("python", "py", "json")
]
READ = {"python": ast.parse, "py": ast.parse, "json": json.loads}


@pytest.mark.parametrize(("language", "content"), BLOCKS)
def test_examples_are_what_they_say(language, content):
    """A block that is called Python, or JSON, is."""
    READ[language](content)


def test_languages():
    """A block says what it is in a word that readers' tools know."""
    known = {*READ, "", "sh", "yaml", "promql"}
    assert {language for text in PAGES.values() for language, _ in fences(text)} <= known


def test_what_examples_import_is_there():
    """Also those that no test runs, as they ask no gateway, take our names from where they are."""
    for text in PAGES.values():
        for node in ast.walk(
            ast.parse("".join(c for lang, c in fences(text) if lang in ("python", "py")))
        ):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("vitrine_"):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    if not hasattr(module, alias.name):  # else it has to be a module itself
                        importlib.import_module(f"{node.module}.{alias.name}")
