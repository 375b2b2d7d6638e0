"""Pictures that others made, which `make test-samples` fetches; without them all is skipped."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Sample = Callable[[str], Path]


@pytest.fixture
def sample() -> Sample:
    """Returns the path of a data set by its name in `fetching.SETS`, or skips the test."""

    def path(name: str) -> Path:
        folder = os.environ.get("VITRINE_SAMPLES")
        if not folder:
            pytest.skip("pictures that others made are for make test-samples")
        if not Path(folder, name).exists():
            pytest.skip(f"{name} could not be had")
        return Path(folder, name)

    return path


def _is_nothing_tested(reporter: pytest.TerminalReporter) -> bool:
    asked = bool(os.environ.get("VITRINE_SAMPLES"))
    return asked and "skipped" in reporter.stats and not {"passed", "failed"} & {*reporter.stats}


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fails a run that was to be on samples, and had none."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == pytest.ExitCode.OK and reporter and _is_nothing_tested(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says so."""
    if _is_nothing_tested(terminalreporter):
        terminalreporter.write_line("Nothing was tested: none of the samples could be had")
