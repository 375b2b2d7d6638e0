"""Gateway against its peers: the same model, pictures and answers, with wrk in front.

All of it shares this machine. `servers/` runs in the peers' own environments.
"""
