"""Drift watch of the gateway: how soon it sees a shift, how often it sees none, its cost.

Shifts and false alarms need no server: test images and what trained models answer to them go
through the watch as requests do, seed by seed.
"""
