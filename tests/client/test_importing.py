"""Imports at a stretch: without the garbage collector, which afterwards is as it was."""

import gc

import pytest

from vitrine_client.process import importing


def test_the_collector_is_off_only_meanwhile():
    assert gc.isenabled()
    with importing.at_a_stretch():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_module_that_is_not_there_leaves_it_on():
    with pytest.raises(ImportError), importing.at_a_stretch():
        raise ImportError("no such module")
    assert gc.isenabled()


def test_whoever_turned_it_off_has_it_off():
    gc.disable()
    try:
        with importing.at_a_stretch():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
