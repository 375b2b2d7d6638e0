"""axe-core on the page, /docs and both reports: in light and dark, on a phone and a desktop."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect

from harness.paths import ROOT, SAMPLES
from harness.service import Service
from tests.browser.visit import answer, why
from tests.client.loadtest.made_results import compared, made, searched, swept
from vitrine_client.loadtest.analysis.outcome import LoadTestOutcome
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.report import page as report
from vitrine_training.cli import main as vitrine_train

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

PHONE, DESKTOP = (390, "light"), (1280, "dark")

# Each width and each scheme once: no rule of a style is for one of both together.
everywhere = pytest.mark.parametrize(("width", "scheme"), [PHONE, DESKTOP])
# In `make test` one of both: what the page, the reference and reports share, they share in each.
phone_first, desktop_first = (
    pytest.mark.parametrize(
        ("width", "scheme"), [one, pytest.param(*other, marks=pytest.mark.wide)]
    )
    for one, other in ((PHONE, DESKTOP), (DESKTOP, PHONE))
)


def check(page: Page, width: int) -> None:
    """Fails the test for each violation that axe finds, and where the page scrolls sideways."""
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@everywhere
def test_the_page(visit, width, scheme):
    """With a picture, answers and the reasons for one."""
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    page = visit("?sample=bag", reduced_motion="reduce", **options)
    expect(why(answer(page, "mlp"), "Bag")).to_be_visible()
    expect(page.locator('[aria-busy="true"]')).to_have_count(0)  # what is of before is dimmed
    check(page, width)


@phone_first
def test_the_reference(visit, width, scheme):
    """The reference of the API."""
    page = visit("docs", viewport={"width": width, "height": 844}, color_scheme=scheme)
    expect(page.get_by_role("button", name="Copy the command").first).to_be_visible()
    page.locator("details").evaluate_all("(all) => all.forEach((each) => (each.open = true))")
    check(page, width)
    page.get_by_role("searchbox").fill("drift")
    check(page, width)


@pytest.fixture(scope="module")
def reports(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reports on a model, on a load test, and on one that is compared with it."""
    folder = tmp_path_factory.mktemp("reports")
    models = ["mlp", f"--models-dir={service.models_dir}", f"--reports-dir={folder}"]
    judged = CliRunner().invoke(vitrine_train, ["report", *models])
    assert judged.exit_code == 0, judged.output
    load = (
        "vitrine_client",
        "loadtest",
        "open",
        str(SAMPLES[0]),
        f"--url={service.url}",
        "--quiet",
    )
    short = (*load, "--rate=50", "--duration-s=2")
    before = folder / "load.json"
    for module, *words in (
        (*short, f"--html={folder / 'load.html'}", f"--json={before}"),
        (*short, f"--html={folder / 'compared.html'}", f"--compare={before}"),
    ):
        command = [sys.executable, "-m", module, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
        assert done.returncode in (0, 1), done.stderr  # what is compared may be slower
    return folder


@pytest.mark.slow
@desktop_first
def test_reports(chromium: str, browser: Browser, reports: Path, width: int, scheme: str):
    """The index, and all that it leads to."""
    size = {"width": width, "height": 844}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto((reports / "index.html").as_uri())
    links = page.get_by_role("list", name="Reports").get_by_role("link")
    names = links.all_inner_texts()
    assert len(names) == 3
    assert "mlp/1" in names
    addresses = [link.evaluate("(it) => it.href") for link in links.all()]
    for address in ((reports / "index.html").as_uri(), *addresses):
        page.goto(address)
        check(page, width)
        if not address.endswith("index.html"):
            expect(page.get_by_role("link", name="All reports")).to_be_visible()
    context.close()


FAILING = made(
    seconds=9,
    stalls=(8,),
    rate=1300,
    errors={4: Counter(timeout=9, Unavailable=7), 5: Counter({"wrong answer": 1234})},
    events=((6.2, "mlp/2 was published"),),
    warnings=("The generator is the bottleneck.",),
)
OUTCOMES = {
    "errors": LoadTestOutcome(FAILING, (FAILING,), Slo.parse("p99=20ms")),
    "search": searched(),
    "sweep": swept(),
    "comparison": compared(),
}


@phone_first
@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(outcome, id=name, marks=[pytest.mark.wide] if name == "sweep" else [])
        for name, outcome in OUTCOMES.items()
    ],
)
def test_reports_of_every_kind(browser: Browser, tmp_path: Path, outcome, width: int, scheme: str):
    """Load tests with errors, warnings and events, and what was found by several."""
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.write(tmp_path / "load.html", outcome).as_uri())
    check(page, width)
    context.close()
