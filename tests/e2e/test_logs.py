"""The log of a gateway as it is run: every line, gunicorn's own included."""

import json
import re
from collections import Counter

from harness.gateway import PREDICT, gateway

LINE = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[(\d+)\] \[[A-Z]+\] .+")


def logged(model_server, log, *, reload: bool = False, **settings) -> list[str]:
    """The lines of a gateway's life: a start, predictions, perhaps a reload, an end."""
    with gateway(model_server.address, log, access_log=1, **settings) as running:
        for number in range(8):
            answer = running.predict(headers={"X-Request-ID": f"mine-{number}"})
            assert answer.status_code == 200
        if reload:
            running.reload()
    return log.read_text().splitlines()


def test_every_line_is_json(model_server, tmp_path):
    """From the first of the master's to the last, each has the same fields; each request one."""
    lines = logged(model_server, tmp_path / "log", log_format="json", reload=True)
    entries = [json.loads(line) for line in lines]
    assert all({"time", "level", "logger", "message", "pid"} <= entry.keys() for entry in entries)
    assert {"gunicorn.error", "vitrine_serving.gateway"} == {entry["logger"] for entry in entries}
    assert "Starting gunicorn" in entries[0]["message"]
    assert len({entry["pid"] for entry in entries}) == 5  # the master, two workers, two more
    requests = [entry for entry in entries if "request_id" in entry]
    assert Counter(entry["request_id"] for entry in requests) == {f"mine-{n}": 1 for n in range(8)}
    assert all((entry["path"], entry["version"]) == (PREDICT, 3) for entry in requests)
    assert all(entry["rpc_ms"] > 0 for entry in requests)


def test_every_line_is_text(model_server, tmp_path):
    """Without the setting they are for people, all of the same form, and each once."""
    lines = logged(model_server, tmp_path / "log", workers=1)
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert sum(f"POST {PREDICT} 200" in line for line in lines) == 8
