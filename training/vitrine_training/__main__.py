"""`python -m vitrine_training` is `vitrine-train`."""

from vitrine_training.cli import main

if __name__ == "__main__":
    main(prog_name="vitrine-train")
