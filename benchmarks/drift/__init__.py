"""The gateway's watch for drift: how soon it sees a shift, how often it sees none, what it costs.

Shifts and false alarms need no server: test images and what trained models answer to them go
through the watch as requests do, seed by seed.
"""
