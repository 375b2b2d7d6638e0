"""`python -m vitrine_client` is the command `vitrine`."""

from vitrine_client.cli import main

if __name__ == "__main__":
    main(prog_name="vitrine")
