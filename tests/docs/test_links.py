"""Links, anchors and images lead somewhere, and every page is led to."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, prose


def links(text: str) -> list[str]:
    """Returns what a page links and shows, of ours."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(text))
    found += re.findall(r'(?:src|srcset|href)="([^"]+)"', prose(text))
    return [link for link in found if not link.startswith(("http://", "https://"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """A link's file exists, and has the heading that is behind its #."""
    for link in links(PAGES[page]):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        if anchor:
            there = str(target.resolve().relative_to(ROOT))
            assert anchor in anchors(PAGES[there]), link


def test_the_readme_leads_to_every_page():
    """Everything in docs/ is one click from the README."""
    linked = {link.partition("#")[0] for link in links(PAGES["README.md"])}
    pages = {page for page in PAGES if page.startswith("docs/")} | {"CONTRIBUTING.md"}
    assert pages <= linked


def test_images_are_shown():
    """Each picture in docs/images is in a page, and each in a page says in words what it shows."""
    shown = {(ROOT / page).parent / link for page, text in PAGES.items() for link in links(text)}
    for image in (ROOT / "docs/images").iterdir():
        assert image.resolve() in {path.resolve() for path in shown}, image
    for page, text in PAGES.items():
        assert "![](" not in text, page
        for tag in re.findall(r"<img [^>]*>", text):
            assert re.search(r'alt="[^"]{20,}"', tag), tag


def test_anchors_are_those_of_the_headings():
    """As GitHub makes them: small letters, hyphens, numbers behind what comes twice."""
    assert anchors("# At 3 a.m.\n## `make` it\n## A [b](c.md)\n## A b") == {
        *("at-3-am", "make-it", "a-b", "a-b-1"),
    }
