"""The command `vitrine-serve`, as a script and as `python -m vitrine_serving`."""

from vitrine_client.process import signals, standard_streams


def run() -> None:
    """Runs it. A signal ends it on the spot while modules are imported, and once it is over; SIGHUP
    reloads a service, and ends none that has hardly begun."""
    signals.end_at_once(reloads=True)
    standard_streams.keep_open()
    from vitrine_serving.cli import main

    main(prog_name="vitrine-serve")


if __name__ == "__main__":
    run()
