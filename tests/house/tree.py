"""The three members' source as git tracks it: files, modules, docstrings, imports."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent.parent
MEMBERS = {
    "client": "vitrine_client",
    "serving": "vitrine_serving",
    "training": "vitrine_training",
}
"""Top-level folder of each member, and the package in it."""

GENERATED = ("*_pb2.py", "*_pb2.pyi", "openapi/openapi.json")
"""Files that `make wire` and `make docs` write."""


@cache
def tracked(*folders: str) -> tuple[PurePosixPath, ...]:
    """Returns the tracked files that exist below these folders, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *folders], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    files = (PurePosixPath(name) for name in listed.split("\0") if name)
    return tuple(file for file in files if (ROOT / file).is_file())


def is_generated(file: PurePosixPath) -> bool:
    """Returns True for files that a tool writes."""
    return any(file.match(pattern) for pattern in GENERATED)


@cache
def sources() -> dict[PurePosixPath, ast.Module]:
    """Returns the syntax tree of each Python file of the members."""
    files = [file for file in tracked(*MEMBERS) if file.suffix == ".py"]
    return {file: ast.parse((ROOT / file).read_text()) for file in files}


def hand_written() -> dict[PurePosixPath, ast.Module]:
    """Returns those of them that people write."""
    return {file: source for file, source in sources().items() if not is_generated(file)}


def module_name(file: PurePosixPath) -> str:
    """Returns the dotted name of a member's file; a package's is that of its `__init__`."""
    parts = file.with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, PurePosixPath]:
    """Returns the file of each module of the members' packages, by dotted name."""
    return {
        module_name(file): file for file in sources() if file.parts[1] == MEMBERS[file.parts[0]]
    }


def packages() -> list[str]:
    """Returns the dotted names of the members' packages."""
    return [name for name, file in modules().items() if file.name == "__init__.py"]


def imports(file: PurePosixPath) -> Iterator[str]:
    """Yields the modules of ours that a file imports, in functions and for types alone too."""
    package = module_name(file).split(".")
    if file.name != "__init__.py":
        package.pop()
    for node in ast.walk(sources()[file]):
        if isinstance(node, ast.Import):
            found = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            names = [f"{origin}.{name.name}" for name in node.names]
            found = [name if name in modules() else origin for name in names]
        else:
            continue
        yield from (name for name in found if name in modules())


def docstrings(file: PurePosixPath) -> Iterator[tuple[ast.AST, str]]:
    """Yields each text that documents something, and its module, class, function or attribute."""
    for node in ast.walk(sources()[file]):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for owner, statement in zip([node, *body], body, strict=False):
            match statement:
                case ast.Expr(ast.Constant(str(text))):
                    yield owner, text
