"""Distance of `vitrine loadtest` from the server's log, and its searches in bad weather."""

from dataclasses import asdict

from benchmarks.load_lab.part import Part, Say, at_least, at_most
from benchmarks.load_truth import scenarios, searches
from benchmarks.load_truth.scripted import vitrine
from benchmarks.load_truth.searches import Search

_WITHIN, _WITHIN_MS = 0.01, 0.3
_PERCENTILES = ("p50_ms", "p90_ms", "p99_ms", "max_ms")


def measure(say: Say) -> Part:
    """Measures loops and searches."""
    say("open loop, the server stalls")
    stalled = scenarios.stalls(vitrine())
    said, true = asdict(stalled.run.report), asdict(stalled.truth)
    say("closed loop, without errors and with some")
    steady = scenarios.closed_loop(vitrine(), scenarios.STEADY)
    errors = scenarios.closed_loop(vitrine(), scenarios.SOME_ERRORS)
    kept = errors.truth.rate / (1 - scenarios.SOME_ERRORS.errors) / steady.truth.rate
    say("search: a stall that recurs")
    recurring = searches.recurring_stall()
    say("search: some errors")
    some = searches.some_errors()
    say("search: the server goes away")
    gone = searches.goes_away()
    off = {each: scenarios.of_truth(said[each], true[each]) for each in ("p99_ms", "max_ms")}
    off_ms = {each: said[each] - true[each] for each in ("p50_ms", "p90_ms")}
    verdicts = [
        *(at_most(f"stalls, {name}: off by", abs(by), _WITHIN) for name, by in off.items()),
        *(
            at_most(f"stalls, {name}: off by ms", abs(by), _WITHIN_MS)
            for name, by in off_ms.items()
        ),
        at_least("closed loop, requests/s with 2 % errors of those without", kept, 0.98),
        at_least("search, a stall that recurs: exit code", recurring.exit_code, 1),
        at_most("search, some errors: exit code", some.exit_code, 0),
        at_least("search, some errors: probes written", some.probes, 1),
        at_least("search, the server goes away: probes written", gone.probes, 1),
    ]
    rows = [
        ("stalls, said", *(f"{said[each]:.2f}" for each in _PERCENTILES)),
        ("stalls, the server's log", *(f"{true[each]:.2f}" for each in _PERCENTILES)),
        *_search_rows(recurring, some, gone),
    ]
    figures = {
        "stalls": {"said": said, "log": true},
        "errors": {"steady": asdict(steady.truth), "some": asdict(errors.truth), "kept": kept},
        "searches": {
            "recurring_stall": asdict(recurring),
            "some_errors": asdict(some),
            "goes_away": asdict(gone),
        },
        "warnings": [*stalled.run.report.warnings, *errors.run.report.warnings],
    }
    return Part(figures, ("", "p50, ms", "p90, ms", "p99, ms", "max, ms"), rows, verdicts)


def _search_rows(*found: Search) -> list[tuple[str, ...]]:
    names = ("search, a stall recurs", "search, some errors", "search, the server goes away")
    return [
        (name, f"exit {each.exit_code}", f"{each.took_s:.0f} s", f"{each.probes} probes", "")
        for name, each in zip(names, found, strict=True)
    ]
