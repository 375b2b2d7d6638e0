"""The table: what a real TensorFlow Serving 2.20 does on the wire, and the embedded model server
must do, too. `source` names files of github.com/tensorflow/serving (and two of
github.com/tensorflow/tensorflow: tensor.cc, tensor.proto), and sections of
https://www.tensorflow.org/tfx/serving/api_rest."""

from tests.contract.cases import (
    batching,
    classify,
    examples_rest,
    grpc_edges,
    imported,
    infer,
    metadata,
    predict,
    regress,
    reload,
    reload_checks,
    reload_states,
    rest,
    rest_errors,
    rest_grammar,
    rest_http,
    rest_json,
    rest_json_names,
    rest_json_reading,
    rest_libevent,
    rest_numbers,
    rest_paths,
    rest_wire,
    runs,
    status,
    tensors,
    versions,
    warm_up,
)

OF_HTTP = [
    *rest_http.CASES,
    *rest_paths.OWN,
    *rest_wire.CASES,
    *rest_libevent.CASES,
    *rest_http.CHANGING,
]
"""Cases that the gateway has answers of its own to."""

STEADY = [
    *(case for case in OF_HTTP if not case.before),
    *(
        case
        for topic in (
            *(tensors, predict, classify, regress, infer, status, metadata, grpc_edges),
            *(rest, rest_errors, rest_grammar, rest_json_reading, rest_json, rest_json_names),
            *(rest_numbers, rest_paths, examples_rest, imported),
        )
        for case in topic.CASES
    ),
]
"""Cases that leave the server as it is."""

CHANGING = [
    *versions.CASES,
    *reload.CASES,
    *reload_checks.CASES,
    *reload_states.CASES,
    *batching.CASES,
    *warm_up.CASES,
    *imported.CHANGING,
    *grpc_edges.HEALTH_CASES,
    *rest_http.CHANGING,
    *runs.CHANGING,
    *classify.CHANGING,
    *regress.CHANGING,
]
"""Cases that configure the server anew."""

CASES = [*STEADY, *CHANGING]
