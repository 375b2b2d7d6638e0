"""Private names of libraries: architecture.md lists each, and each is where we use it."""

import ast
import re
import tomllib
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

MEMBERS = {"client": "vitrine_client", "serving": "vitrine_serving", "training": "vitrine_training"}
SECTION = PAGES["docs/architecture.md"].split("## Private names of libraries")[1].split("\n## ")[0]
ROWS = [
    (library, module, re.findall(r"`(\w+)`", names), re.findall(r"`([\w/.]+)`", files))
    for library, module, names, files in re.findall(
        r"^\| ([a-z]\w+) \| `([\w.]+)` \| (.*) \| (.*) \|$", SECTION, re.MULTILINE
    )
]

DOCUMENTED = {"_asdict", "_exit", "_fields", "_replace"}
"""Underscores of the standard library that are no private names."""


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def source(module: str) -> str:
    """Returns the text of a module, of which nothing is imported: some take ten seconds."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent.joinpath(*rest).with_suffix(".py").read_text()


def files() -> dict[str, str]:
    """Returns the text of each module of the members that is written by hand."""
    found = {}
    for member, package in MEMBERS.items():
        for path in (ROOT / member / package).rglob("*.py"):
            if not path.stem.endswith("_pb2"):
                found[path.relative_to(ROOT).as_posix()] = path.read_text()
    return found


@pytest.mark.parametrize(
    ("library", "module", "names", "used_in"), ROWS, ids=lambda each: str(each)
)
def test_names_are_where_we_use_them(library, module, names, used_in):
    """In the library's module, and in our files: a row that nobody needs goes, too."""
    assert names
    assert set(names) <= words(source(module)), f"{library} has moved a name that {used_in} use"
    ours = [words(text) for path, text in files().items() if path.endswith(tuple(used_in))]
    assert len(ours) >= len(used_in)
    assert set(names) <= set().union(*ours)
    assert all(set(names) & each for each in ours)


def test_their_libraries_have_an_upper_bound():
    """What needs them, and so is broken by the next release, is not installed with it."""
    bounded = {"python"}  # whose versions the tests run on
    for member in MEMBERS:
        project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
        extras = project.get("optional-dependencies", {}).values()
        for line in chain(project["dependencies"], *extras):
            name, limits = re.fullmatch(r"([\w-]+)(?:\[.*\])?(.*)", line).groups()
            if "<" in limits or "==" in limits:
                bounded.add(name)
    assert {library for library, *_ in ROWS} <= bounded


def foreign(text: str) -> set[str]:
    """Returns the underscored attributes that a module takes from what it does not define."""
    own, taken = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            own.add(node.target.id)
        elif isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            is_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            (own if is_self else taken).add(node.attr)
    return taken - own


def listed(path: str) -> set[str]:
    """Returns the names that the table has for a file."""
    rows = (row for row in ROWS if path.endswith(tuple(row[3])))
    return {name for _, _, names, _ in rows for name in names}


def test_no_other_private_name_is_used():
    """An underscore of another's is in the table, with the file that takes it."""
    taken = {path: foreign(text) - listed(path) - DOCUMENTED for path, text in files().items()}
    assert not {path: names for path, names in taken.items() if names}
    assert foreign("class A:\n    _a = 1\nb._c\nself._d\ne._d") == {"_c"}


def test_classes_of_waitress_are_listed():
    """Its manual has no module below `waitress`: whatever is imported from one is in the table."""
    for path, text in files().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("waitress."):
                assert {name.name for name in node.names} <= listed(path), path
