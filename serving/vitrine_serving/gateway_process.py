"""Gateway process: `vitrine-serve gateway` becomes it, and `vitrine-serve up` starts it."""

from vitrine_client.process import signals, standard_streams


def run() -> None:
    """Runs gunicorn. A signal ends this process on the spot while modules are imported; SIGHUP,
    which reloads it, does not."""
    signals.end_at_once(reloads=True)
    signals.take_over()
    standard_streams.keep_open()
    from vitrine_serving.gateway.server.master import Gunicorn

    Gunicorn().run()


if __name__ == "__main__":
    run()
