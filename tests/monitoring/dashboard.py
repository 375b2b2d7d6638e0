"""The dashboard as Grafana reads it, and what it asks Prometheus for."""

import json
import re
from collections.abc import Iterator
from typing import Any

from harness.paths import ROOT

MONITORING = ROOT / "deploy/monitoring"
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana/dashboards/vitrine.json").read_text())


def panels() -> Iterator[dict[str, Any]]:
    """All panels, also those in a row that is collapsed, without the rows."""
    for panel in DASHBOARD["panels"]:
        yield from panel["panels"] if panel["type"] == "row" else [panel]


def expressions() -> dict[str, str]:
    """What each panel asks, by its title and the letter of the query, as Grafana writes it."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in panels()
        for target in panel["targets"]
    }


def filled(expression: str, window: str) -> str:
    """What Grafana makes of an expression for all models and a length of time."""
    done = expression.replace("$__rate_interval", window).replace("$model", ".*")
    assert "$" not in done, done
    return done


def variables() -> dict[str, dict[str, Any]]:
    """Those that a reader chooses, by name, in their order."""
    return {each["name"]: each for each in DASHBOARD["templating"]["list"]}


def alerts() -> Iterator[tuple[str, str]]:
    """The name of each alert, and all that is said of it."""
    rules = (MONITORING / "prometheus/alerts.yml").read_text()
    for text in rules.split("- alert: ")[1:]:
        yield text.split()[0], text


def values(expression: str) -> set[tuple[str, str]]:
    """The labels in an expression with the values that they are to have."""
    return set(re.findall(r"[{,](\w+)=\"([^\"]*)\"", expression))


def used(expression: str) -> tuple[set[str], set[str]]:
    """The names of the metrics in an expression, and those of the labels."""
    names = set(re.findall(r"\bvitrine_\w+|:tensorflow[\w:]+", expression))
    labels = re.findall(r"[{,](\w+)[=!]~?\"", expression)
    grouped = " ".join(re.findall(r"(?:by|on) \(([^)]+)\)", expression))
    return names, {*labels, *re.findall(r"\w+", grouped)}
