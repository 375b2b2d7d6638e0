"""Load lab, measured: against formulas, against wrk, and against itself.

All of it shares this machine. Each part returns its figures and whether they keep the aims.
"""
