"""The gateway when things go badly: too much load, a model server that dies, workers that are
ended, a long day. Tests run these for seconds, `make bench-reliability` for minutes."""
