"""ServingMetrics with TensorFlow Serving's names, in Prometheus' text format."""

import threading

import pytest

from tests.serving.fake_models import FakeLoader
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.metrics import DEFAULT_PATH, ServingMetrics, read_monitoring
from vitrine_serving.model_server.repository.config import ModelConfig
from vitrine_serving.model_server.repository.repository import Repository


def lines(metrics: ServingMetrics) -> list[str]:
    return metrics.text().decode().splitlines()


def test_requests_are_counted_by_status_and_timed_if_they_succeed():
    """`request_count` has every answer, `request_latency` those that were OK, in microseconds."""
    metrics = ServingMetrics()
    metrics.observe_request("mlp", "Predict", "GRPC", "OK", 0.000_015)
    metrics.observe_request("mlp", "Predict", "GRPC", "NOT_FOUND", 5.0)
    found = lines(metrics)
    assert "# TYPE :tensorflow:serving:request_count counter" in found
    assert ':tensorflow:serving:request_count{model_name="mlp",status="OK"} 1' in found
    assert ':tensorflow:serving:request_count{model_name="mlp",status="NOT_FOUND"} 1' in found
    labels = 'model_name="mlp",API="Predict",entrypoint="GRPC"'
    bucket = f":tensorflow:serving:request_latency_bucket{{{labels},le="
    assert f'{bucket}"10"}} 0' in found
    assert f'{bucket}"18"}} 1' in found
    assert f'{bucket}"1.88956e+06"}} 1' not in found
    assert f'{bucket}"+Inf"}} 1' in found
    assert f":tensorflow:serving:request_latency_sum{{{labels}}} 15" in found
    assert f":tensorflow:serving:request_latency_count{{{labels}}} 1" in found


def test_runs_and_examples_are_observed():
    """The model's own time, and how many examples came, have metrics of their own."""
    metrics = ServingMetrics()
    metrics.observe_run("mlp", "Classify", 0.001)
    metrics.observe_examples("mlp", 3)
    metrics.observe_examples("mlp", 4)
    found = lines(metrics)
    labels = 'model_name="mlp",API="Classify",runtime="TF1"'
    assert f":tensorflow:serving:runtime_latency_count{{{labels}}} 1" in found
    assert ':tensorflow:serving:request_example_count_total{model="mlp"} 7' in found
    assert ':tensorflow:serving:request_example_counts_bucket{model="mlp",le="4"} 2' in found


def test_families_are_there_before_anything_is_counted():
    """As in TensorFlow Serving: each with its type, sorted by name."""
    assert lines(ServingMetrics()) == [
        "# TYPE :tensorflow:serving:request_count counter",
        "# TYPE :tensorflow:serving:request_example_count_total counter",
        "# TYPE :tensorflow:serving:request_example_counts histogram",
        "# TYPE :tensorflow:serving:request_latency histogram",
        "# TYPE :tensorflow:serving:runtime_latency histogram",
    ]


def test_names_are_escaped():
    """A model may have any name: it cannot break the format."""
    metrics = ServingMetrics()
    metrics.observe_request('a"b\\c\nd', "Predict", "GRPC", "OK", 0)
    assert 'model_name="a\\"b\\\\c\\nd"' in metrics.text().decode()


def test_names_that_are_not_served_are_one(tmp_path):
    """However many are made up, and however long: what is served is counted by its name, also when
    it comes late, and what was served keeps its counts. No name at all stays one."""
    metrics, repository = ServingMetrics(), Repository(FakeLoader(), load_threads=1)
    (tmp_path / "late").mkdir()
    api = ModelServerApi(repository, metrics)
    for number in range(3000):
        api.observe_request(f"m{number}" * 100, "Predict", "GRPC", "NOT_FOUND", 0)
    repository.configure([ModelConfig("late", tmp_path / "late")], wait=False)
    for status in ("OK", "NOT_FOUND"):
        api.observe_request("late", "Predict", "REST", status, 0)
    repository.configure([], wait=False)
    api.observe_request("late", "Predict", "REST", "NOT_FOUND", 0)
    repository.stop()
    api.observe_request("", "", "REST", "INVALID_ARGUMENT", 0)
    counts = [line.partition(":request_count")[2] for line in lines(metrics)]
    assert [count for count in counts if count.startswith("{")] == [
        '{model_name="",status="INVALID_ARGUMENT"} 1',
        '{model_name="late",status="NOT_FOUND"} 1',
        '{model_name="late",status="OK"} 1',
        '{model_name="other",status="NOT_FOUND"} 3001',
    ]
    assert len(metrics.text()) < 10_000


def test_nothing_is_lost_between_threads():
    """Eight threads at once count every request."""
    metrics = ServingMetrics()

    def count():
        for _ in range(500):
            metrics.observe_request("m", "Predict", "GRPC", "OK", 1e-4)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 4000' in lines(metrics)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("prometheus_config { enable: true }", DEFAULT_PATH),
        ('prometheus_config { enable: true path: "/m" }', "/m"),
        ("prometheus_config { enable: false }", None),
        ("\n", None),
    ],
)
def test_monitoring_files(tmp_path, text, path):
    """The file says whether there are metrics, and where."""
    file = tmp_path / "monitoring.config"
    file.write_text(text)
    assert read_monitoring(file) == path


def test_a_bad_monitoring_file_is_named(tmp_path):
    """A mistake in the file is told with the file's name."""
    file = tmp_path / "monitoring.config"
    file.write_text("prometheus { }")
    with pytest.raises(ServingError, match=r"monitoring\.config"):
        read_monitoring(file)
