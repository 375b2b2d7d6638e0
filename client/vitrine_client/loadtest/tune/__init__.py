"""Tuning: the settings of the service that meet an objective at the highest rate, under a load of
one's own.

`search` chooses configurations, and tells those that beat the defaults beyond the noise; it knows
of `configuration` alone. `service` runs the real service with one, `trial` finds the highest rate
that it takes, `summary` says the outcome in words, and `outcome` writes files to use.
"""
