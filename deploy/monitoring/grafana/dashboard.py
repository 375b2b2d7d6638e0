"""Grafana dashboard: makes `dashboards/vitrine.json` of `dashboard.toml`; `make docs` runs it."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

FOLDER = Path(__file__).parent
MADE = FOLDER / "dashboards/vitrine.json"

_COLUMNS = 24
_LEGEND = {"displayMode": "list", "placement": "bottom"}
_OPTIONS = {
    "timeseries": {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": _LEGEND},
    "state-timeline": {"showValue": "never", "mergeValues": True, "legend": _LEGEND},
}


def text(table: Path = FOLDER / "dashboard.toml") -> str:
    """Returns the dashboard of a table as Grafana reads it."""
    dashboard = tomllib.loads(table.read_text())
    dashboard["panels"] = [*_panels(dashboard["panels"])]
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def _panels(rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields rows, each followed by its panels, which are inside it where it is collapsed."""
    y = 0
    for title, panels in rows.items():
        row, defaults = panels.pop("row"), panels.pop("each")
        top, drawn = y, []
        x, line = _COLUMNS, 1
        for name, panel in panels.items():
            width, height = (defaults | panel)["size"]
            if x + width > _COLUMNS:
                x, y, line = 0, y + line, 0
            place = {"x": x, "y": y, "w": width, "h": height}
            drawn.append(_panel(name, defaults | panel, place))
            x, line = x + width, max(line, height)
        y += line
        yield {
            "id": row["id"],
            "type": "row",
            "title": title,
            "collapsed": row["collapsed"],
            "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1},
            "panels": drawn if row["collapsed"] else [],
        }
        yield from [] if row["collapsed"] else drawn


def _panel(title: str, panel: dict[str, Any], place: dict[str, int]) -> dict[str, Any]:
    kind, queries = panel["type"], panel["queries"].items()
    # Else a single figure would be the last one in the time range, also of what is gone.
    now = {"instant": True, "range": False} if kind == "stat" else {}
    drawn = {
        "id": panel["id"],
        "type": kind,
        "title": title,
        "description": panel["description"],
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": place,
        "fieldConfig": {"defaults": _field(panel, kind), "overrides": []},
        "targets": [
            {"refId": letter, "expr": expression, "legendFormat": legend, **now}
            for letter, (legend, expression) in zip(ascii_uppercase, queries, strict=False)
        ],
    }
    return drawn | ({"options": _OPTIONS[kind]} if kind in _OPTIONS else {})


def _field(panel: dict[str, Any], kind: str) -> dict[str, Any]:
    """Returns unit, range, colours and texts of a panel's values."""
    field = {"unit": panel.get("unit", "none")}
    if kind != "state-timeline":
        field["min"] = 0
    if "max" in panel:
        field["max"] = panel["max"]
    if kind == "timeseries":
        field["custom"] = {"fillOpacity": 10}
    if "red_from" in panel:
        below = "green"
        if kind == "timeseries":
            below = "transparent"
            field["custom"]["thresholdsStyle"] = {"mode": "line"}
        steps = [{"color": below, "value": None}, {"color": "red", "value": panel["red_from"]}]
        field["thresholds"] = {"mode": "absolute", "steps": steps}
    if "values" in panel:
        texts = enumerate(panel["values"].items())
        options = {str(value): {"text": text, "color": color} for value, (text, color) in texts}
        field["mappings"] = [{"type": "value", "options": options}]
    return field


if __name__ == "__main__":
    MADE.write_text(text())
