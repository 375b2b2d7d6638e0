"""Telemetry: metrics, drift, logs, the prediction log and traces."""
