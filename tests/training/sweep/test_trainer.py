"""Trainer of a sweep: processes for runs, with a command in the place of `vitrine-train train`."""

import sys

import pytest

from tests.training.sweep.made_results import variant
from vitrine_training.sweep.plan import SweepRun
from vitrine_training.sweep.training import Trainer

SAYS = {
    "as JSON": (
        'print(\'[{"published": false, "reason": "too hot"}]\'); sys.exit(1)',
        "too hot",
    ),
    "as an error": ("print('Error: too cold', file=sys.stderr); sys.exit(2)", "too cold"),
    "as a traceback": ("raise MemoryError('no room')", "no room"),
    "nothing": ("sys.exit(7)", "exit code 7; "),
    "nothing, and is killed": ("os.kill(os.getpid(), 9)", "ended by SIGKILL, as where memory runs"),
    "nothing, and is told to end": ("os.kill(os.getpid(), 15)", "ended by SIGTERM"),
    "JSON of another kind": ("print('{}'); sys.exit(1)", "exit code 1; "),
    "JSON without a reason": (
        'print(\'[{"published": false, "reason": null}]\'); sys.exit("Error: too wet")',
        "too wet",
    ),
    "JSON with a number": ("print('[{\"reason\": 7}]'); sys.exit(3)", "exit code 3; "),
    "JSON with nothing": ('print(\'[{"reason": ""}]\'); sys.exit(3)', "exit code 3; "),
    "an error after much else": (
        "print('epoch ü\\n' * 30_000, file=sys.stderr); sys.exit('Error: too late')",
        "too late",
    ),
    "no JSON": ("print('oh'); sys.exit(1)", "exit code 1; "),
    "all is well, and publishes nothing": ("pass", "exit code 0; "),
}


def trained(tmp_path, code, seeds=(0,), processes=1):
    command = (sys.executable, "-c", f"import os, sys; {code}")
    found = []
    trainer = Trainer(tmp_path, lambda run: [str(run.seed)], processes, command)
    runs = [SweepRun(variant("mlp"), seed) for seed in seeds]
    trainer.train(runs, lambda result, _: found.append(result))
    return found


@pytest.mark.parametrize(("code", "reason"), SAYS.values(), ids=SAYS)
def test_the_reason_of_a_run_that_fails(tmp_path, code, reason):
    (result,) = trained(tmp_path, code)
    assert not result.is_done
    assert reason in result.reason


def test_each_run_ends_once(tmp_path):
    found = trained(tmp_path, "sys.exit(int(sys.argv[1]))", seeds=range(7), processes=3)
    assert sorted(result.run.seed for result in found) == list(range(7))


def test_a_run_that_cannot_be_started_keeps_no_other_from_its_turn(tmp_path):
    """Its folder is a file."""
    blocked = tmp_path / SweepRun(variant("mlp"), 0).path
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    first, second = trained(tmp_path, "sys.exit(1)", seeds=(0, 1))
    assert "it cannot be started" in first.reason
    assert second.run.seed == 1


def test_nothing_to_train(tmp_path):
    assert trained(tmp_path, "pass", seeds=()) == []
