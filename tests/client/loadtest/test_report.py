"""The page about a load test: whole, by itself, and with the result's figures."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from tests.client.loadtest.made_results import compared, made, searched, swept
from vitrine_client.loadtest.analysis.probes import Found, Probe
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.report import page as report
from vitrine_client.loadtest.report import plots, wording
from vitrine_client.loadtest.results.outcome import Outcome
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.results.together import together

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Keeps what a page has: its tags with their attributes, its text; and fails on a wrong end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]

    @property
    def pictures(self) -> list[str]:
        """What each says by ear; the mark of the header says nothing."""
        shown = [attrs for tag, attrs in self.tags if tag == "svg" and "aria-hidden" not in attrs]
        return [attrs["aria-label"] for attrs in shown]


@pytest.fixture(scope="module")
def result() -> Result:
    errors = {4: Counter({"<b>Unavailable</b>": 9}), 5: Counter({"wrong answer": 1234})}
    return made(
        seconds=9,
        stalls=(8,),
        errors=errors,
        rate=1300,
        events=((6.2, "mlp/2 <published>"),),
        warnings=("The generator <i>was</i> busy.",),
    )


@pytest.fixture(scope="module")
def source(result) -> str:
    return report.render(Outcome(result))


@pytest.fixture(scope="module")
def page(source) -> Page:
    return Page(source)


def test_the_page_asks_nothing_of_anyone(page, source):
    """No script, no style or picture from elsewhere: what is referred to is in the page."""
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed"}
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            address = attributes.get(name, "#")
            if tag == "a":
                continue  # leads elsewhere, and only whom presses it
            assert address.startswith(("#", "data:image/png;base64,")), (tag, address)
    assert not re.search(r"url\((?!#)|@import", source)
    policy = next(a["content"] for t, a in page.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_every_picture_is_told_in_words(page):
    """Each has its own text for who can't see it, and a caption beneath."""
    assert len(set(page.pictures)) == 5
    starts = ("Latency by percentile", "Latency over time", "Heat map", "Throughput", "Errors")
    assert all(text.startswith(start) for text, start in zip(page.pictures, starts, strict=True))
    captions = [tag for tag, _ in page.tags if tag == "figcaption"]
    assert len(captions) == len(page.pictures)


def test_ids_are_unique(page):
    """Also among those of the pictures, which refer to each other by them."""
    assert len(page.ids) == len(set(page.ids))
    assert {"figures", "percentiles", "heat-map", "throughput", "errors", "run"} <= set(page.ids)


def test_the_figures_are_those_of_the_result(page, result):
    """Both latencies at each percentile, counts, rates and what was run."""
    for counts in (result.latency, result.service):
        for percent in (50, 99, 99.9, 99.99):
            assert wording.ms(counts.percentile_ms(percent)) in page.text
    for count in (result.answered, result.due, result.late, result.errors.total()):
        assert f"{count:,}" in page.text
    assert f"{result.throughput:,.0f} right answers a second" in page.text
    assert "wrong answer (1,234)" in page.text
    assert "target address http://127.0.0.1:8080" in page.text


def test_foreign_text_stays_text(page):
    """Warnings, events and kinds of errors come from elsewhere, and are no markup."""
    for text in ("The generator <i>was</i> busy.", "mlp/2 <published>", "<b>Unavailable</b>"):
        assert text in page.text
    assert "i" not in {tag for tag, _ in page.tags}


def test_light_and_dark(source):
    """Pictures are in the page's colours, of which each has two variants."""
    assert "#00000" not in source
    used = set(re.findall(r"var\((--\w+)\)", source))
    colours = re.findall(r"(--[\w-]+): light-dark\(", source)
    assert used <= set(colours)


def test_a_closed_loop_says_what_it_cannot_see():
    """It has one curve, and the reader is told why a stall may be missing."""
    page = Page(report.render(Outcome(made(seconds=3, loop="closed"))))
    assert "the requests that would have met the stall are missing" in page.text
    assert "service time" not in page.text.lower()


@pytest.mark.parametrize(
    "result",
    [
        made(seconds=0),
        made(seconds=2, rate=0),
        made(seconds=2, rate=5, errors={0: Counter(Unavailable=99), 1: Counter(Unavailable=99)}),
        Result({}, made(seconds=1).intervals, made(seconds=0).generator),
    ],
    ids=["no interval", "no request", "no answer", "nothing about it"],
)
def test_little_makes_a_page_too(result):
    """A test that failed as a whole is when a page is wanted most."""
    assert "Vitrine load test" in Page(report.render(Outcome(result))).text


def test_errors_are_drawn_where_nothing_was_answered():
    """Then they are all that there is to see."""
    page = Page(report.render(Outcome(made(seconds=1, rate=5, errors={0: Counter(A=99)}))))
    assert [text.partition(" ")[0] for text in page.pictures] == ["Throughput", "Errors"]
    assert "nothing answered" in page.text


def test_one_answer_makes_a_page():
    """A single latency is its own percentile, and axes have some width."""
    result = made(seconds=3, rate=1)
    single = next(one for one in result.intervals if one.answered)
    page = Page(report.render(Outcome(Result(result.about, (single,), result.generator))))
    assert len(page.pictures) == 4


@pytest.mark.parametrize(
    ("make", "section", "alt", "said"),
    [
        (searched, "search", "Probes of the search: 3 of 5", "250 requests a second meet p50=10ms"),
        (swept, "sweep", "Latency by throughput", "What follows, and the figures above, are of"),
        (compared, "comparison", "Latency by percentile of both runs", "4.01 ms 5.02 ms worse"),
    ],
)
def test_what_was_found_has_a_section(make, section, alt, said):
    """With a picture and its table; the rest of the page is about one load."""
    page = Page(report.render(make()))
    assert section in page.ids
    assert page.pictures[0].startswith(alt)
    assert said in page.text
    assert len(page.ids) == len(set(page.ids))
    assert {"figures", "percentiles", "run"} <= set(page.ids)


@pytest.mark.parametrize(
    ("limit", "word"), [("p99=20ms", "objective met"), ("p99=1ms", "objective missed")]
)
def test_an_objective_is_the_word_of_the_page(limit, word):
    """In the place of "no errors", with what was missed beneath."""
    page = Page(report.render(Outcome(made(seconds=2), slo=Slo.parse(limit))))
    assert word in page.text
    assert ("Misses p99=1ms: p99 is" in page.text) == (word == "objective missed")


def at(rate: float, median_ms: float, slo: Slo, **members) -> Probe:
    """A probe of two seconds."""
    result = made(seconds=2, rate=rate, median_ms=median_ms, **members)
    return Probe(rate, result, tuple(slo.violations(result)))


def test_a_search_shows_all_probes_at_the_rate_together():
    """What one of them did not see may be in another; the page's figures are of their sum."""
    slo = Slo.parse("p95=20ms,errors=0.1%")
    chosen = [at(250, median_ms, slo) for median_ms in (4, 6, 5)]
    found = Found(250.0, 245.0, 260.0, 3, 3, (at(100, 2, slo), *chosen, at(400, 900, slo)))
    result = together(found.at_rate)
    assert result.answered == sum(probe.result.answered for probe in chosen)
    assert [interval.start_s for interval in result.intervals] == [0, 1, 2, 3, 4, 5]
    page = Page(report.render(Outcome(result, (result,), slo, found)))
    assert f"95 % within {wording.ms(result.latency.percentile_ms(95))} ms" in page.text
    assert "of all probes at that rate together" in page.text


def test_throughput_says_that_requests_failed_only_where_some_did():
    """Requests that were due in one second are answered in the next as well."""
    said = "of them failed"
    assert said not in Page(report.render(Outcome(made(seconds=2)))).text
    failing = made(seconds=2, errors={0: Counter(Unavailable=3)})
    assert f"3 {said}" in Page(report.render(Outcome(failing))).text


@pytest.mark.parametrize(
    ("kind", "address", "leads"),
    [
        ("raw", "https://models.example/below/", "https://models.example/below/docs"),
        ("rest", "http://127.0.0.1:8501", None),
        ("grpc", "127.0.0.1:8500", None),
        ("raw", "javascript:alert(1)", None),
    ],
)
def test_the_header_leads_to_the_gateway_that_was_asked(kind, address, leads):
    """Its page and its reference; a model server has none."""
    result = made(seconds=1)
    result.about["plan"]["target"] |= {"kind": kind, "address": address}
    page = Page(report.render(Outcome(result)))
    found = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert found == ["#main", *([leads.removesuffix("docs"), leads] if leads else [])]


def test_orange_and_blue_are_no_colours_of_plots(source):
    """They mean for and against, in heat maps."""
    assert "--for" not in source.split("</style>")[1]
    assert "--against" not in source.split("</style>")[1]
    assert set(re.findall(r"(?:fill|stroke): (#\w+)", source.split("</style>")[1])) <= {"#000000"}


def test_a_search_without_any_answer_makes_a_page():
    """Where nothing is found, nothing is drawn of it but the limit."""
    failed = made(seconds=1, rate=0)
    slo = Slo.parse("p99=20ms")
    found = Found(0.0, 0.0, 1.0, 0, 0, (Probe(1.0, failed, ("nothing was due",)),))
    page = Page(report.render(Outcome(failed, (failed,), slo, found)))
    assert "No rate meets p99=20ms" in page.text


def test_the_same_result_gives_the_same_page():
    """Byte for byte."""
    first, second = (report.render(Outcome(made(seconds=2))) for _ in range(2))
    assert first == second


def test_long_tests_are_drawn_in_coarser_steps():
    """So many points and no more, and together they are everything."""
    result = made(seconds=250, rate=3)
    parts = plots.columns(result)
    assert len(parts) <= plots.COLUMNS
    assert sum(part.due for part in parts) == result.due
    assert parts[1].intervals[0].start_s == 3.0


def test_rare_kinds_of_errors_are_drawn_together():
    """The four most frequent ones have a colour each, the others share the fifth."""
    kinds = Counter({f"kind {number}": number for number in range(1, 8)})
    shown = plots.shown_failures(made(seconds=2, errors={1: kinds}))
    assert [(kind, count) for kind, count, _ in shown] == [
        *(("kind 7", 7), ("kind 6", 6), ("kind 5", 5), ("kind 4", 4)),
        ("others", 1 + 2 + 3),
    ]


def test_a_page_is_whole_or_absent(tmp_path):
    """It is written beside its place, folders are made, and nothing else is left."""
    path = report.write(tmp_path / "new" / "page.html", Outcome(made(seconds=1)))
    assert path.read_text().rstrip().endswith("</html>")
    assert list(path.parent.iterdir()) == [path]


def test_events_that_are_near_share_a_label():
    """Numbers are not written over each other, and in the order of the list beneath."""
    result = made(seconds=9, events=((1.0, "a"), (1.2, "b"), (5.0, "c")))
    assert plots.event_labels(result, 0.3) == [(1.0, "1, 2"), (5.0, "3")]
