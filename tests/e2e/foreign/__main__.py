"""Foreign exports, written with what they answer in memory: `python -m tests.e2e.foreign FOLDER`.

`FOLDER/models/<name>/<version>` is the SavedModel as somebody else has it; `FOLDER/expected/<name>`
is of the tests: `expected.json` and the body of a JSON call. `FOLDER/pictures` has what both are
asked about.
"""

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.e2e.foreign import keras_kinds, tensorflow_kinds
from tests.e2e.foreign.documented_kind import documented
from tests.e2e.foreign.keras2_kind import keras2
from tests.e2e.foreign.pictures import Array, photos, rows
from tests.e2e.foreign.spec import Export


def main(folder: Path) -> None:
    """Writes them all."""
    of_rows, of_photos = rows(), photos()
    for pictures in (of_rows, of_photos):
        pictures.write(folder / "pictures")
    exports = {
        "keras2": keras2(of_rows),
        "documented": documented(of_photos),
        **dict(keras_kinds.kinds(of_rows, of_photos)),
        **dict(tensorflow_kinds.kinds(of_rows, of_photos)),
    }
    for name, export in exports.items():
        began = time.monotonic()
        _write(folder, name, export)
        print(f"{name} {time.monotonic() - began:.1f} s", flush=True)


def _write(folder: Path, name: str, export: Export) -> None:
    version = folder / "models" / name / str(export.version)
    export.save(str(version))
    (version / "assets.extra").mkdir(exist_ok=True)
    for file, text in export.files.items():
        (version / "assets.extra" / file).write_text(text)
    target = folder / "expected" / name
    target.mkdir(parents=True)
    body, answers = _json_call(version, export)
    (target / "body.json").write_text(json.dumps(body))
    expected = {
        "pictures": export.pictures.name,
        "probabilities": None if export.said else export.expected(),
        "labels": export.labels,
        "tolerance": export.tolerance,
        "profile": export.profile,
        "said": export.said,
        "version": export.version,
        "outputs": None if export.is_random else answers,
    }
    (target / "expected.json").write_text(json.dumps(expected))


def _json_call(version: Path, export: Export) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a call in JSON and the outputs of the signature, loaded in memory: an export's input
    is named here, which Keras counts."""
    signature = tf.saved_model.load(str(version)).signatures[export.signature]
    (named,) = signature.structured_input_signature[1]
    (values,) = export.inputs.values()
    outputs = signature(**{named: tf.constant(values)})
    call = {"signature_name": export.signature, "inputs": {named: _listed(values)}}
    return call, {key: np.asarray(value, np.float64).tolist() for key, value in outputs.items()}


def _listed(values: Array) -> Any:
    if values.dtype == object:
        return [{"b64": base64.b64encode(each).decode()} for each in values]
    return values.tolist() if values.dtype.kind in "iu" else values.astype(float).round(4).tolist()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
