"""Wholeness of a version directory: whether its files are all there, and as they were written.

A version that is whole may still be one that this machine or this package cannot use.
"""

import re
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from vitrine_training.publish import cards

GRAPH, CHECKPOINT = "saved_model.pb", "variables/variables"


class DamagedError(Exception):
    """A version lacks a file, or one has changed; the message says which."""


def check(version_dir: Path) -> None:
    """Raises `DamagedError`, or `PermissionError` where a file may not be read.

    Reads all of it: TensorFlow keeps a checksum beside each variable.
    """
    saved = graphs(version_dir)
    index = version_dir / f"{CHECKPOINT}.index"
    if index.is_file():
        _check_variables(version_dir)
    elif any(_has_variables(graph) for graph in saved.meta_graphs):
        raise DamagedError(f"{CHECKPOINT}.index is not there")
    for graph in saved.meta_graphs:
        for asset in graph.asset_file_def:
            if not (version_dir / "assets" / asset.filename).is_file():
                raise DamagedError(f"assets/{asset.filename} is not there")


def graphs(version_dir: Path) -> Any:
    """Returns the graphs of a version, a `SavedModel` message. Raises as `check` does."""
    path = version_dir / GRAPH
    text = path.with_suffix(".pbtxt")
    try:
        if text.is_file() and not path.is_file():
            saved = text_format.Parse(text.read_bytes(), saved_model_pb2.SavedModel())
        else:
            saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except FileNotFoundError:
        raise DamagedError(f"{path.name} is not there") from None
    except (DecodeError, text_format.ParseError, UnicodeDecodeError, IsADirectoryError):
        raise DamagedError(f"{path.name} is no SavedModel") from None
    if not saved.meta_graphs:
        raise DamagedError(f"{path.name} is no SavedModel: it has no graph")
    return saved


def _check_variables(version_dir: Path) -> None:
    for path in (version_dir / CHECKPOINT).parent.iterdir():
        path.open("rb").close()  # TensorFlow would call it an error of its own
    try:
        reader = tf.train.load_checkpoint(str(version_dir / CHECKPOINT))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception as error:  # it raises anything for damaged files, an IndexError, too
        raise DamagedError(f"{CHECKPOINT}: {first_line(error)}") from error


def _has_variables(graph: Any) -> bool:
    kinds = ("VarHandleOp", "VariableV2", "Variable")
    if any(node.op in kinds for node in graph.graph_def.node):
        return True
    return any(node.HasField("variable") for node in graph.object_graph_def.nodes)


def is_ours(version_dir: Path) -> bool:
    """Whether a version has a card of this package."""
    return "recipe" in cards.read(version_dir)


def described(version_dir: Path, error: Exception) -> str:
    """Returns in words why a version raised an error: it is damaged, or something else is wrong."""
    try:
        check(version_dir)
    except DamagedError as damage:
        return f"{version_dir} is damaged ({damage})"
    except OSError as reason:
        return f"{version_dir} cannot be read: {reason}"
    return f"{version_dir} cannot be evaluated: {first_line(error)}"


_HEADING = re.compile(
    r"Exception encountered when calling .*|in user code:|<class .* could not be deserialized .*"
)
"""Lines of Keras' and TensorFlow's before the one with the reason."""

_CAUSE = re.compile(r"^\s*(?:Exception encountered: |\w*(?:Error|Exception): )(.+)$", re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def first_line(error: BaseException) -> str:
    """Returns the first line of an error that says something; TensorFlow's go on for pages, and
    Keras has the place before the reason."""
    text = _COLOURS.sub("", str(error)).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not _HEADING.fullmatch(lines[0]):
        return next(iter(lines), "") or type(error).__name__
    if causes := _CAUSE.findall(text):
        return str(causes[-1]).strip()
    return next((line for line in lines if not _HEADING.fullmatch(line)), lines[0])
