"""Training of a sweep's runs: a process of its own for each, several at a time, none of which
survives the sweep."""

import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrine_client.process import children, signals, variables
from vitrine_training.publish import versions as publish
from vitrine_training.sweep import results
from vitrine_training.sweep.plan import SweepRun
from vitrine_training.sweep.results import RunResult

STOP_S = 5.0
"""Seconds in which a run may write its last epoch for the next sweep to go on from."""

Words = Callable[[SweepRun], Sequence[str]]
"""Returns the words after `vitrine-train train` for a run, but where it publishes."""


OnEnd = Callable[[RunResult, float], None]
"""Is told a result, and the seconds that its process took."""


@dataclass(frozen=True)
class Trainer:
    """Trainer of runs in a sweep's folder, `processes` at a time.

    `command` is that of `vitrine-train train`. Each run has as many threads as `train` has, however
    many run at a time: with other threads TensorFlow sums in another order, to other weights.
    """

    sweep_dir: Path
    words: Words
    processes: int
    command: Sequence[str] = (sys.executable, "-P", "-m", "vitrine_training", "train")

    def train(self, runs: Sequence[SweepRun], on_end: OnEnd) -> None:
        """Trains all runs, and tells each one's result when its process has ended, or could not be
        started. Where a signal raises meanwhile no process is left."""
        waiting = deque(runs)
        with _Processes() as processes:
            while waiting or processes.running:
                while waiting and len(processes.running) < self.processes:
                    run = waiting.popleft()
                    self._start(run, processes, on_end)
                if not processes.running:
                    continue
                child = processes.next_ended()
                result = results.ended(child.run, self.sweep_dir, child.process.returncode)
                on_end(result, time.monotonic() - child.started_s)

    def _start(self, run: SweepRun, processes: "_Processes", on_end: OnEnd) -> None:
        try:
            processes.start(run, lambda: self._started(run))
        except OSError as error:  # no room on the disk, no process any more
            on_end(RunResult(run, f"it cannot be started: {error}"), 0.0)

    def _started(self, run: SweepRun) -> "subprocess.Popen[bytes]":
        folder = self.sweep_dir / run.path
        models_dir = folder / results.MODELS
        if publish.versions(models_dir, run.variant.recipe.model):  # that do not count
            shutil.rmtree(models_dir)
        folder.mkdir(parents=True, exist_ok=True)
        words = [*self.command, *self.words(run), "--models-dir", str(models_dir)]
        with (
            (folder / results.OUTCOME).open("w", encoding="utf-8") as outcome,
            (folder / results.LOG).open("w", encoding="utf-8") as log,
        ):
            return children.start(words, variables.without_unknown(os.environ), outcome, log)


@dataclass(frozen=True)
class _Child:
    """Process of a run, and when it was started."""

    run: SweepRun
    process: "subprocess.Popen[bytes]"
    started_s: float


class _Processes:
    """Processes of runs. A thread waits for each; this one starts them, as the kernel ends a child
    with the thread that has started it."""

    def __init__(self) -> None:
        self.running: list[_Child] = []
        self._ended: queue.SimpleQueue[_Child] = queue.SimpleQueue()

    def __enter__(self) -> "_Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def start(self, run: SweepRun, start: "Callable[[], subprocess.Popen[bytes]]") -> None:
        """Starts a run's process."""
        with signals.held_back():  # else one that is started may not be in the list yet
            child = _Child(run, start(), time.monotonic())
            self.running.append(child)
        threading.Thread(target=self._wait, args=(child,), daemon=True).start()

    def next_ended(self) -> _Child:
        """Waits for a process to end, and returns it."""
        child = self._ended.get()
        self.running.remove(child)
        return child

    def _wait(self, child: _Child) -> None:
        child.process.wait()
        self._ended.put(child)

    def _stop(self) -> None:
        """Ends those that run, all at once; a signal meanwhile ends them on the spot."""
        left = [child.process for child in self.running]
        deadline = time.monotonic() + STOP_S
        try:
            for process in left:
                process.terminate()
            for process in left:
                process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        finally:
            for process in left:
                process.kill()
                process.wait()
