"""A training run's state in a file, so that a run that was killed goes on where it was.

The file lies in `models/<model>/` under a name that is no version. The name follows from all that
decides the run (recipe, seed, data, package versions), so that another run never picks it up.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vitrine_client.store import shared_files
from vitrine_training.fit.loop import Epoch, State

ABANDONED_AFTER_S = 24 * 3600
"""The age of a checkpoint at which only the same command keeps it from being removed."""


class Checkpoint:
    """Keeps the state of one run, written whole or not at all, at most every `every_s` seconds."""

    def __init__(self, directory: Path, run: Mapping[str, Any], every_s: float) -> None:
        """`run` is plain JSON: everything that decides the run's outcome."""
        digest = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
        self._path = directory / f".training-{digest[:16]}.npz"
        self._every_s = every_s
        self._written_at = time.monotonic()
        self._unwritten: State | None = None

    def load(self) -> State | None:
        """Returns the state that was written last; None where there is none, or it is damaged."""
        try:
            with np.load(self._path) as arrays:
                return State(
                    variables=[arrays[f"variable-{n}"] for n in range(int(arrays["variables"]))],
                    kept=[arrays[f"kept-{n}"] for n in range(int(arrays["kept"]))],
                    history=[Epoch(**entry) for entry in json.loads(arrays["history"].item())],
                )
        except Exception:  # NumPy and zipfile raise anything for a damaged file
            return None

    def save(self, state: State) -> None:
        """Writes `state`, if the last time is long enough ago. Raises `OSError` if it cannot."""
        if time.monotonic() - self._written_at < self._every_s:
            # Training goes on in the memory that these arrays may be views of.
            variables, kept = (
                [np.array(one) for one in each] for each in (state.variables, state.kept)
            )
            self._unwritten = State(variables, kept, list(state.history))
        else:
            self._write(state)

    def flush(self) -> None:
        """Writes the state that was saved last, if it is not written yet: the run ends early."""
        if self._unwritten:
            self._write(self._unwritten)

    def _write(self, state: State) -> None:
        arrays: dict[str, Any] = {
            "variables": len(state.variables),
            "kept": len(state.kept),
            "history": json.dumps([asdict(epoch) for epoch in state.history]),
        }
        arrays |= {f"variable-{n}": array for n, array in enumerate(state.variables)}
        arrays |= {f"kept-{n}": array for n, array in enumerate(state.kept)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with shared_files.replacing(self._path) as file:
            np.savez(file, **arrays)
        self._written_at, self._unwritten = time.monotonic(), None

    def sweep(self, models_dir: Path, say: Callable[[str], None]) -> None:
        """Removes checkpoints of other runs, of any model, that nobody went on from for a day."""
        for path in sorted(models_dir.glob("*/.training-*")):
            with suppress(OSError):  # another user's, or another run did it
                if path != self._path and time.time() - path.stat().st_mtime > ABANDONED_AFTER_S:
                    path.unlink()
                    say(f"{path}, of a run that nobody went on with for a day, is removed")

    def remove(self) -> None:
        """Deletes the file: the run came to its end."""
        self._path.unlink(missing_ok=True)
