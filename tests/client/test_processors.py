"""Processors that a process may use."""

import os

from vitrine_client.process import processors


def test_those_that_the_process_is_kept_to_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3, 5}, raising=False)
    assert processors.usable() == 3


def test_where_no_process_is_kept_to_some_all_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors.usable() == 1
