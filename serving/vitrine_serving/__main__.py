"""`python -m vitrine_serving` is the command `vitrine-serve`."""

from vitrine_serving.cli import main

if __name__ == "__main__":
    main(prog_name="vitrine-serve")
