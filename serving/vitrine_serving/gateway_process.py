"""Gateway process: what `vitrine-serve gateway` becomes, and `vitrine-serve up` starts."""

from vitrine_client.process import signals, standard_streams


def run() -> None:
    """Runs gunicorn. A signal ends this process on the spot while modules are imported."""
    signals.end_at_once()
    standard_streams.keep_open()
    from vitrine_serving.gateway.server.master import Gunicorn

    Gunicorn().run()


if __name__ == "__main__":
    run()
