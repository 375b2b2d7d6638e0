"""Reports in the house style, and the index of a folder of them."""

import os
from pathlib import Path

import pytest

from tests.client.loadtest.made_results import made
from vitrine_client.loadtest.report import page as report
from vitrine_client.loadtest.results.outcome import Outcome
from vitrine_client.look import AGAINST, FOLDER, FOR, SERVED, reports
from vitrine_serving import gateway


def test_an_index_lists_the_reports_of_its_folder(tmp_path: Path):
    """A load test has its row and its link; what is no report of ours is left out."""
    report.write(tmp_path / "a load.html", Outcome(made(seconds=3)))
    (tmp_path / "notes.html").write_text("<meta name=vitrine-report content='no JSON'>")
    index = reports.write_index(tmp_path)
    assert index == tmp_path / "index.html"
    text = index.read_text()
    assert 'href="a%20load.html"' in text
    assert "load test" in text
    assert "notes.html" not in text


def test_a_load_test_joins_an_index_that_is_there(tmp_path: Path):
    """In a folder with an index of ours a new report is in it, and links to it."""
    report.write(tmp_path / "alone.html", Outcome(made(seconds=3)))
    assert not (tmp_path / "index.html").exists()
    assert "All reports" not in (tmp_path / "alone.html").read_text()
    reports.write_index(tmp_path)
    report.write(tmp_path / "new.html", Outcome(made(seconds=3)))
    assert "new.html" in (tmp_path / "index.html").read_text()
    assert "All reports" in (tmp_path / "new.html").read_text()


def test_an_index_of_somebody_else_stays(tmp_path: Path):
    """Nobody's index.html is overwritten."""
    (tmp_path / "index.html").write_text("<h1>mine</h1>")
    assert reports.write_index(tmp_path) is None
    report.write(tmp_path / "load.html", Outcome(made(seconds=3)))
    assert (tmp_path / "index.html").read_text() == "<h1>mine</h1>"


def test_an_empty_folder_says_what_makes_reports(tmp_path: Path):
    """And its index names no report."""
    index = reports.write_index(tmp_path)
    assert index
    assert "vitrine-train report" in index.read_text()


def test_files_that_pages_ask_for_are_there():
    """Those that the gateway serves."""
    assert all((FOLDER / name).is_file() for name in SERVED)


def test_colours_of_for_and_against_are_the_same_everywhere():
    """In reports, in the stylesheet, and in the heat maps of the page."""
    theme = (FOLDER / "theme.css").read_text()
    script = (Path(gateway.__file__).parent / "console/static/heat_map.js").read_text()
    for name, colour in (("for", FOR), ("against", AGAINST)):
        assert f"--{name}: #{bytes(colour).hex()};" in theme
        assert f"const {name.upper()} = {list(colour)};" in script


def test_what_is_no_report_is_left_alone(tmp_path: Path):
    """A pipe is not waited for, and a subject that is no text is none."""
    os.mkfifo(tmp_path / "pipe.html")
    content = '{"kind": "a", "title": "b", "figure": "c", "at": 5}'
    (tmp_path / "odd.html").write_text(f"<meta name='vitrine-report' content='{content}'>")
    index = reports.write_index(tmp_path)
    assert index
    assert "odd.html" not in index.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_report_stays_its_owners(tmp_path: Path):
    """Though root writes it anew."""
    page = reports.write(tmp_path / "page.html", "old")
    os.chown(page, 12345, 12345)
    reports.write(page, "new")
    assert (page.read_text(), page.stat().st_uid) == ("new", 12345)
