"""Options of TensorFlow's sessions: `ConfigProto`, by the flags and by the file that one names."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2

from vitrine_client.process import standard_streams
from vitrine_serving.model_server.protos import text_protos

BFLOAT16 = "bfloat16"
"""The one value of `--mixed_precision`."""


def session_config(
    intra_op: int,
    inter_op: int,
    *,
    file: Path | None = None,
    gpu_memory_fraction: float = 0,
    mixed_precision: str = "",
) -> Any:
    """Returns a `ConfigProto` for the threads of an operation and the operations at a time, 0 for
    one a core. All else is as `file` has it, and its own threads are not heeded, as in TensorFlow
    Serving's server.cc. Raises `ServingError` where the file cannot be read."""
    config = config_pb2.ConfigProto()
    if file:
        text_protos.read(file, config)
    config.gpu_options.per_process_gpu_memory_fraction = gpu_memory_fraction
    config.intra_op_parallelism_threads = intra_op
    config.inter_op_parallelism_threads = inter_op
    if mixed_precision == BFLOAT16:
        rewriting = config.graph_options.rewrite_options
        rewriting.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
    return config


def begin(config: Any) -> None:
    """Runs something small while nobody listens, in the first session of the process: its threads
    are those of all others, and it writes to standard error that an optimisation is off, which no
    setting keeps it from."""
    with (
        standard_streams.native_stderr_discarded(),
        tf.Graph().as_default(),
        tf.compat.v1.Session(config=config) as session,
    ):
        session.run(tf.constant(1) + 1)
