"""SavedModel loader: a graph into a session, its variables and its initialisation, as TensorFlow's
C++ loader has it (cc/saved_model/loader.cc), with the codes and words of its errors."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.callables import make_callable
from vitrine_serving.model_server.runtime.saved_model import saved_model

_INIT = "__saved_model_init_op"
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_ASSETS = "saved_model_assets"


def meta_graph(path: Path, tags: Collection[str]) -> Any:
    """Returns the `MetaGraphDef` with these tags of a version directory. Raises `ServingError`."""
    for graph in saved_model(path).meta_graphs:
        if set(graph.meta_info_def.tags) == set(tags):
            return graph
    raise ServingError(
        grpc.StatusCode.NOT_FOUND,
        f"Could not find meta graph def matching supplied tags: {{ {' '.join(sorted(tags))} }}. "
        "To inspect available tag-sets in the SavedModel, please use the SavedModel CLI: "
        "`saved_model_cli`",
    )


def load(session: Any, definition: Any, path: Path) -> None:
    """Makes a session, which is empty, ready to run a `MetaGraphDef` of a version directory.

    Variables without an index are left alone, as there: `try_signatures` finds that out. Raises
    `ServingError`, or an error of TensorFlow's.
    """
    try:
        with session.graph.as_default():
            tf.graph_util.import_graph_def(
                definition.graph_def,
                name="",
                producer_op_list=definition.meta_info_def.stripped_op_list,
            )
    except (TypeError, ValueError) as error:  # which Python makes of INVALID_ARGUMENT
        raise ServingError.invalid(str(error)) from error
    assets = _assets(definition, path)
    variables = path / "variables" / "variables"
    if variables.with_suffix(".index").exists():
        saver = definition.saver_def
        _run(session, saver.restore_op_name, {saver.filename_tensor_name: str(variables), **assets})
    if initialising := _initialising(definition, path):
        _run(session, initialising, assets)


def _run(session: Any, target: str, files: Mapping[str, str]) -> None:
    """Runs an operation, once, with names of files."""
    run = make_callable(session, list(files), targets=[target])
    run(*(np.array(file.encode(), object) for file in files.values()))


def _assets(definition: Any, path: Path) -> dict[str, str]:
    """Returns the file of each tensor that is an asset's; version 1 has them in a collection."""
    files = list(definition.asset_file_def)
    if not files:
        for packed in definition.collection_def[_ASSETS].any_list.value:
            files.append(meta_graph_pb2.AssetFileDef())
            packed.Unpack(files[-1])
    return {file.tensor_info.name: str(path / "assets" / file.filename) for file in files}


def _initialising(definition: Any, path: Path) -> str:
    """Returns the operation that initialises the graph, "" for none. Raises `ServingError`."""
    if _INIT in definition.signature_def:
        return str(definition.signature_def[_INIT].outputs[_INIT].name)
    for name in _INIT_COLLECTIONS:
        if name in definition.collection_def:
            found = definition.collection_def[name].node_list.value
            if len(found) != 1:
                raise ServingError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Expected exactly one main op in : {path}",
                )
            return str(found[0])
    return ""
