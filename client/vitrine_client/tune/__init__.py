"""Which settings of the service meet an objective at the highest rate, under a load of one's own.

`search` decides what to try, and whether something beats the defaults beyond the noise; it knows
of `configuration` alone. `service` runs the real service with one, `trial` finds the highest rate
that it takes, `summary` says what came of it, and `outcome` writes files to use.
"""
