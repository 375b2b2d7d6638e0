"""The command `vitrine-train`, as a script and as `python -m vitrine_training`."""

from vitrine_client.process import signals, standard_streams


def run() -> None:
    """Runs it. A signal ends it on the spot while modules are imported, and once it is over."""
    signals.end_at_once()
    standard_streams.keep_open()
    from vitrine_training.cli import main

    main(prog_name="vitrine-train")


if __name__ == "__main__":
    run()
