"""Metrics and alerts: those in the pages are those that there are."""

import re

from tests.docs.pages import EVERYTHING, PAGES, ROOT, anchors
from vitrine_serving.gateway.telemetry.metrics import FAMILIES

ALERTS = (ROOT / "serving/monitoring/prometheus/alerts.yml").read_text()
PACKAGES = {"vitrine_client", "vitrine_serving", "vitrine_training"}


def test_no_metric_is_made_up():
    """Each name in the pages is a family's, or one of the series of a histogram."""
    known = {family.name for family in FAMILIES}
    for family in FAMILIES:
        if family.kind == "histogram":
            known |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    written = set(re.findall(r"\bvitrine_[a-z_]+(?!\w)", EVERYTHING)) - PACKAGES
    for name in written:  # `vitrine_drift_…` stands for several
        assert any(name == one or (name[-1] == "_" and one.startswith(name)) for one in known), name


def test_alerts_are_documented():
    """Each alert has a heading in monitoring.md, which says what to do, and no other has."""
    section = PAGES["docs/monitoring.md"].split("\n## Alerts")[1].split("\n## ")[0]
    headings = re.findall(r"^### (\w+)$", section, re.MULTILINE)
    alerts = re.findall(r"- alert: (\w+)", ALERTS)
    assert alerts
    assert headings == alerts


def test_alerts_lead_to_their_paragraph():
    """Whoever is woken by an alert follows its link to a heading that is there."""
    links = re.findall(r"runbook: (\S+)#(\S+)", ALERTS)
    assert len(links) == ALERTS.count("- alert: ")
    for page, anchor in links:
        assert anchor in anchors(PAGES[page]), anchor
