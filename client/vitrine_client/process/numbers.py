"""Number options of the commands: `nan` and `inf` are refused by the option's name."""

import math
from typing import Any

import click

MOST_THREADS = 4096
"""Threads of a kind that a service may ask for: the time to make TensorFlow's grows with their
square, and a hundred thousand of any keep it busy for longer than anybody waits."""


class FiniteNumber(click.types.FloatParamType):
    """Finite number of any size."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Returns the number. Fails, as click's do, for others."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


class Number(click.FloatRange):
    """Finite number in a range: `nan` is in every range, and `inf` in most."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Returns the number. Fails, as click's do, for others."""
        return FiniteNumber().convert(super().convert(value, param, ctx), param, ctx)
