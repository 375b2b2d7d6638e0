"""ServingMetrics with TensorFlow Serving's names, in Prometheus' text format."""

import threading

import pytest

from vitrine_serving.model_server.metrics import DEFAULT_PATH, ServingMetrics, read_monitoring


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


def test_names_are_escaped_and_bounded():
    """Names come from callers: they cannot break the format, nor fill the memory."""
    metrics = ServingMetrics()
    metrics.observe_request('a"b\\c\nd', "Predict", "GRPC", "OK", 0)
    assert 'model_name="a\\"b\\\\c\\nd"' in metrics.text().decode()
    for number in range(3000):
        metrics.observe_request(f"m{number}", "Predict", "GRPC", "NOT_FOUND", 0)
    counts = [line for line in lines(metrics) if ":request_count{" in line]
    assert len(counts) <= 1001
    assert sum(int(line.rsplit(" ", 1)[1]) for line in counts) == 3001


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
        ("", None),
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
    with pytest.raises(ValueError, match=r"monitoring\.config"):
        read_monitoring(file)
