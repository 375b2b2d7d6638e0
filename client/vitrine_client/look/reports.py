"""Reports as files: self-contained HTML pages in the house style, and an index of a folder of them.

A report asks nothing of any other host and runs no script. Needs jinja2, which
`vitrine-client[loadtest]` and `vitrine-training` bring along.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from vitrine_client.look import FOLDER
from vitrine_client.store import shared_files

INDEX = "index.html"
_ABOUT = "vitrine-report"
_HEAD_BYTES = 4096
"""Bytes of a report, within which is its subject."""


@dataclass(frozen=True)
class About:
    """Subject of a report: its kind, its title, its main figure, and when that was (ISO 8601
    or "")."""

    kind: str
    title: str
    figure: str
    at: str = ""


def environment(package: str) -> jinja2.Environment:
    """Returns the environment of a package's templates, which may extend `base.html`."""
    loaders = [jinja2.PackageLoader(package), jinja2.FileSystemLoader(FOLDER / "templates")]
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.globals |= {
        "style": _text("theme.css") + _text("report.css"),
        "icon": _text("icon.svg"),
        "index": INDEX,
    }
    made.filters["as_meta"] = lambda about: json.dumps(asdict(about))
    return made


def write(path: Path, page: str) -> Path:
    """Writes a page, whole or not at all, and returns `path`. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with shared_files.replacing(path) as file:
        file.write(page.encode())
    return path


def write_index(folder: Path) -> Path | None:
    """Writes the index of the reports in a folder, newest first, and returns its path; None where
    an `index.html` is there that is not ours. Raises `OSError`."""
    path = folder / INDEX
    if path.exists() and about(path) is None:
        return None
    reports = sorted(_reports(folder), key=lambda each: each[1].at, reverse=True)
    subject = About("index", "Reports", f"{len(reports)} reports")
    template = environment("vitrine_client.look").get_template("index.html")
    return write(path, template.render(about=subject, reports=reports))


def has_index(folder: Path) -> bool:
    """Whether an index of ours is in a folder, which then lists a new report, too."""
    return about(folder / INDEX) is not None


def about(path: Path) -> About | None:
    """Returns the subject of a report, None for a file that is no report of ours."""
    reader = _Reader()
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            reader.feed(file.read(_HEAD_BYTES))
        found = About(**json.loads(reader.content))
        return found if all(isinstance(each, str) for each in asdict(found).values()) else None
    except (OSError, ValueError, TypeError):
        return None


def _reports(folder: Path) -> Iterator[tuple[str, About]]:
    for path in folder.glob("*.html"):
        subject = about(path)
        if subject and path.name != INDEX:
            yield path.name, subject


class _Reader(HTMLParser):
    """Reader of the meta element that has the subject of a report."""

    content = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found: dict[str, Any] = dict(attrs)
        if tag == "meta" and found.get("name") == _ABOUT:
            self.content = found.get("content") or ""


def _text(name: str) -> Markup:
    return Markup((FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704 - files of our own
