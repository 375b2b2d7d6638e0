"""Refusals of the Open Inference Protocol: a code, words that help, and a bound."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.serving.open_inference_grpc.served import (
    CODE,
    ONE,
    refused,
    request,
)
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import RequestedOutput, V2Tensor


@pytest.mark.parametrize("version", ["abc", "-1", "1.0", "+1", " 1", "²", str(2**63), "9" * 5000])
@pytest.mark.parametrize(
    "method", ["ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "ModelInfer"]
)
def test_a_version_that_is_no_number(served, method, version):
    asked = wire.ModelRequest(name="half_plus_two", version=version)
    code, words = refused(served.call, method, asked)
    assert code is CODE.INVALID_ARGUMENT
    assert "is no version of a model; versions are numbers" in words
    assert len(words) < 200


@pytest.mark.parametrize(("name", "version"), [("nope", ""), ("half_plus_two", "9"), ("", "")])
@pytest.mark.parametrize(
    "method", ["ModelMetadata", "ModelConfig", "ModelStatistics", "ModelInfer"]
)
def test_what_is_not_served_is_not_found(served, method, name, version):
    if method == "ModelStatistics" and not name:
        return  # of all models
    asked = wire.ModelRequest(name=name, version=version)
    code, words = refused(served.call, method, asked)
    assert code is CODE.NOT_FOUND
    assert "Servable not found for request" in words


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request(), "takes 1 inputs, and 0 came; missing: 'x' FP32 [-1]"),
        (request(ONE._replace(name="z")), "'z' is no input of half_plus_two"),
        (request(ONE, ONE), "Input 'x' is there twice"),
        (request(ONE._replace(datatype="FP64")), "Input 'x' of half_plus_two is FP32, and FP64"),
        (request(ONE._replace(array=np.zeros((1, 2), np.float32))), "shape [-1], and [1, 2] came"),
        (request(ONE, outputs=(RequestedOutput("z"),)), "'z' is no output of half_plus_two"),
        (
            request(ONE, outputs=(RequestedOutput("y", {"classification": -1}),)),
            "is a number of classes, not -1",
        ),
        (request(ONE, signature_name="z"), "There is no signature 'z'"),
        (request(ONE, signature_name=1), "is the name of a signature, not 1"),
        (
            request(ONE, model="echo", signature_name="complex64"),
            "'x' of echo is DT_COMPLEX64; the Open Inference Protocol has no such datatype",
        ),
        (
            request(
                V2Tensor("x", "BYTES", np.array([b"a"], object)),
                model="echo",
                outputs=(RequestedOutput("y", {"classification": 1}),),
                signature_name="string",
            ),
            "Output 'y' is BYTES, which no classes are made of",
        ),
    ],
)
def test_requests_that_make_no_sense_are_refused_with_words(served, asked, words):
    code, told = refused(served.call, "ModelInfer", asked)
    assert code is CODE.INVALID_ARGUMENT
    assert words in told


def test_raw_contents_of_another_size_are_refused(served):
    message = wire.ModelInferRequest.FromString(request(ONE))
    message.raw_input_contents[0] += b"0"
    code, told = refused(served.call, "ModelInfer", message)
    assert (code, "'x' has 9 bytes" in told) == (CODE.INVALID_ARGUMENT, True)
    message.inputs[0].shape[:] = [1] * 65
    code, told = refused(served.call, "ModelInfer", message)
    assert (code, "65 dimensions" in told) == (CODE.INVALID_ARGUMENT, True)


def test_an_output_of_more_dimensions_than_there_are(served):
    asked = request(ONE, model="deep")
    code, told = refused(served.call, "ModelInfer", asked)
    assert (code, "Output 'deep' has 71 dimensions" in told) == (CODE.UNIMPLEMENTED, True)
    others = served.infer(ONE, model="deep", outputs=(RequestedOutput("y"),))
    assert others["y"].array.tolist() == [1.0, 2.0]


def test_what_the_model_says_travels(served):
    """In the code and the words of its session."""
    uneven = (V2Tensor("a", "FP32", np.zeros(n, np.float32)) for n in (2, 3))
    a, b = (each._replace(name=name) for each, name in zip(uneven, "ab", strict=True))
    code, told = refused(served.infer, a, b, model="echo", signature_name="product")
    assert (code, "Incompatible shapes" in told) == (CODE.INVALID_ARGUMENT, True)


def test_words_are_cut_where_no_client_would_take_them(served):
    asked = request(ONE._replace(name="x" * 100_000))
    code, told = refused(served.call, "ModelInfer", asked)
    assert code is CODE.INVALID_ARGUMENT
    assert len(told) < 7500
    assert "(cut, of " in told


METHODS = (
    *("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig"),
    *("ModelStatistics", "ModelInfer", "RepositoryIndex", "RepositoryModelLoad"),
    "RepositoryModelUnload",
)


@pytest.mark.parametrize("method", METHODS)
def test_bytes_that_are_no_message(served, method, caplog):
    """A code, and a line of the log; TensorFlow Serving's services say INTERNAL."""
    found = refused(served.call, method, b"\xff\xff")
    assert found == (CODE.INVALID_ARGUMENT, f"This is no request of {method}")
    assert caplog.messages == ["A request of 2 bytes is no message of its method"]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("method", ["RepositoryModelLoad", "RepositoryModelUnload"])
def test_loading_is_refused_and_says_how_it_is_done(served, method, number):
    """KServe's clients have the name in the first field, Triton's in the second."""
    code, told = refused(served.call, method, bytes([number << 3 | 2, 1]) + b"m")
    assert code is CODE.INVALID_ARGUMENT
    assert "put versions of m into its directory" in told


@pytest.mark.parametrize(
    "method",
    [
        "TraceSetting",
        "LogSettings",
        *itertools.starmap(
            "{}SharedMemory{}".format,
            itertools.product(("System", "Cuda"), ("Status", "Register", "Unregister")),
        ),
    ],
)
def test_what_there_is_not_is_unimplemented_with_words(served, method):
    code, told = refused(served.call, method, b"")
    assert (code, bool(told)) == (CODE.UNIMPLEMENTED, True)
    assert refused(served.call, "Nonsense", b"") == (CODE.UNIMPLEMENTED, "")


def test_a_fault_of_ours_costs_a_line(served, caplog):
    served.calls.methods["ModelInfer"] = lambda _: [][1]
    code, told = refused(served.call, "ModelInfer", request(ONE))
    assert (code, "The model server failed" in told) == (CODE.UNKNOWN, True)
    assert len(caplog.records) == 1
    assert not caplog.records[0].exc_info


def test_as_many_calls_run_as_may_and_probes_are_answered_all_the_same(serve):
    served = serve(max_threads=1)
    running, go_on = threading.Event(), threading.Event()

    def hold(_):
        running.set()
        assert go_on.wait(30)
        return wire.ModelInferResponse()

    served.calls.methods["ModelInfer"] = hold
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(served.call, "ModelInfer", request(ONE))
        assert running.wait(30)
        found = refused(served.call, "ModelInfer", request(ONE))
        assert found == (CODE.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        assert served.call("ServerLive", b"", wire.ServerLiveResponse).live
        assert served.call("ServerReady", b"", wire.ServerReadyResponse).ready
        (streamed,) = served.stream(iter([request(ONE)]))
        assert streamed.error_message == "Server Threadpool Exhausted"
        go_on.set()
        first.result(30)
