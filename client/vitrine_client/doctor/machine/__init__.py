"""Checks of the machine: its limits, its software and its ports."""
